"""What a rule looks at, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from erm_alembic.config.durations import format_duration
from erm_alembic.config.observing_settings import ObserveSettings
from erm_alembic.observing.model import Gap, Sample, StatementChange, Worsened

__all__ = ["Rule", "Severity", "View", "said", "span"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class View:
    """A database now, and what it is compared with.

    Args:
        limits: from where on it is worse.
        before: how it was before.
        first: the first sample that was taken since.
        now: the last one.
        totals: by counter, by how much it grew since.
        changed: the statements that are slower, or new and slow.
        gaps: when nothing was seen.
    """

    limits: ObserveSettings
    before: Sample
    first: Sample
    now: Sample
    totals: Mapping[str, int]
    changed: tuple[StatementChange, ...] = ()
    gaps: tuple[Gap, ...] = ()

    def share(self, part: str, *whole: str) -> tuple[float, float] | None:
        """The share of one counter in the sum of others, before and since; None where too little was counted since.

        Args:
            part: the counter.
            whole: those of which it is a share.
        """
        since = sum(self.totals.get(name, 0) for name in whole)
        if since < self.limits.min_calls:
            return None
        counted = self.before.counters.counted
        total = sum(counted.get(name, 0) for name in whole)
        return (counted.get(part, 0) / total if total else 0.0), self.totals.get(part, 0) / since


@dataclass(frozen=True)
class Rule:
    """One way in which a database can become worse.

    Args:
        id: its name: in `observe.rules`, in the documentation, in what is found.
        severity: `error` where it makes the database worse, `warning` where it is worth a look.
        look: says what is worse, one for each subject.
    """

    id: str
    severity: Severity
    look: Callable[[View], Iterator[Worsened]]


def said(subject: str, worst: float, message: str, help: str, severity: Severity = "error") -> Worsened:
    """Something that is worse; whoever asked the rule puts its name to it.

    Args:
        subject: what it is about; empty for the database.
        worst: how bad it is, in a unit of the rule's own.
        message: what is so, and what it leads to.
        help: what to do.
        severity: of a single case, where it is less than the rule's.
    """
    return Worsened("", severity, message, help, subject=subject, worst=worst)


def span(seconds: float) -> str:
    """A time in words.

    Args:
        seconds: the time.

    Example:
        >>> span(75.4), span(0.25)
        ('1m15s', '250ms')
    """
    rounded = seconds if seconds < 1 else round(seconds)
    return format_duration(timedelta(seconds=max(0.001, rounded)))
