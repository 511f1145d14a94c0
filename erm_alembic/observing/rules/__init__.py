"""The ways in which a database can become worse: registered in one visible tuple, explained in docs/observe.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from erm_alembic.errors import ConfigurationError
from erm_alembic.observing.rules.errors import (
    CHECKSUM_FAILURES,
    DEADLOCKS,
    RECOVERY_CONFLICTS,
    ROLLBACKS,
    TEMPORARY_FILES,
)
from erm_alembic.observing.rules.schema import (
    DEAD_ROWS,
    INVALID_INDEX,
    SLOW_NEW_STATEMENT,
    SLOWER_STATEMENT,
    UNVALIDATED_CONSTRAINT,
)
from erm_alembic.observing.rules.servers import REPLICA_AWAY, REPLICA_LAG, SERVER_AWAY, SLOT_KEEPS_LOG, gaps_told
from erm_alembic.observing.rules.sessions import CONNECTIONS, LOCK_WAIT, LONG_TRANSACTION, LOST_SESSIONS
from erm_alembic.observing.rules.view import Rule, View
from erm_alembic.spelling import nearest

if TYPE_CHECKING:
    from erm_alembic.config.observing_settings import ObserveSettings
    from erm_alembic.observing.model import Gap, Worsened

__all__ = ["RULES", "Rule", "View", "look", "look_at_gaps", "refuse_unknown"]

RULES: tuple[Rule, ...] = (
    SERVER_AWAY,
    CHECKSUM_FAILURES,
    LOCK_WAIT,
    CONNECTIONS,
    LONG_TRANSACTION,
    REPLICA_LAG,
    REPLICA_AWAY,
    SLOWER_STATEMENT,
    SLOW_NEW_STATEMENT,
    ROLLBACKS,
    DEADLOCKS,
    LOST_SESSIONS,
    INVALID_INDEX,
    UNVALIDATED_CONSTRAINT,
    DEAD_ROWS,
    SLOT_KEEPS_LOG,
    RECOVERY_CONFLICTS,
    TEMPORARY_FILES,
)


def look(view: View) -> Iterator[Worsened]:
    """What is worse now, as loud as `observe.rules` has it.

    Args:
        view: the database now, and what it is compared with.
    """
    for rule in RULES:
        yield from _told(rule, view.limits, rule.look(view))


def look_at_gaps(gaps: Sequence[Gap], limits: ObserveSettings, now: datetime) -> Iterator[Worsened]:
    """What there is to say where no sample can be taken.

    Args:
        gaps: when nothing was seen.
        limits: how loud each rule is.
        now: what stands for the end of a gap that lasts.
    """
    yield from _told(SERVER_AWAY, limits, gaps_told(gaps, now))


def _told(rule: Rule, limits: ObserveSettings, found: Iterator[Worsened]) -> Iterator[Worsened]:
    level = limits.rules.get(rule.id, rule.severity)
    if level == "off":
        return
    for each in found:
        # A single case that is less bad than its rule stays so, unless the rule's level was chosen.
        mild = each.severity == "warning" and rule.id not in limits.rules
        yield replace(each, rule=rule.id, severity="warning" if mild else level)


def refuse_unknown(levels: Mapping[str, str]) -> None:
    """Refuse names of rules that there are not: they would silence nothing.

    Args:
        levels: `observe.rules`.

    Raises:
        ConfigurationError: a rule is unknown.
    """
    known = [rule.id for rule in RULES]
    for name in levels:
        if name not in known:
            near = nearest(name, known)
            meant = f" Did you mean {near!r}?" if near else ""
            raise ConfigurationError(
                f"observe.rules: there is no rule {name!r}.{meant}",
                effect="Nothing was observed.",
                cure=f"The rules are: {', '.join(known)}.",
            )
