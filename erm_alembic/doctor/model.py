"""What the doctor's checks take and give: values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from erm_alembic.doctor.evidence import Evidence

__all__ = ["Check", "Diagnosis", "Examination", "Examined", "Level", "Need", "NotNeeded", "NotTold", "Said", "Verdict"]

Level = Literal["error", "warning", "info"]
Verdict = Literal["error", "warning", "info", "healthy", "unknown", "not needed"]


class Need(Enum):
    """What there must be for a check to say anything."""

    PRIMARY = auto()
    """A primary that answers."""
    REPLICAS = auto()
    """Replicas that are configured, or were discovered."""
    PROJECT = auto()
    """An Alembic project."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that a check has to say.

    Args:
        level: `error` must be mended, `warning` should be looked at, `info` is only told.
        what: what is so, in one sentence.
        effect: what it leads to.
        cure: what to do or to type; "" where there is nothing to do.
        server: the server that it is about, `primary` or a replica's name; None for the project.
        path: the file that it is about, relative to the project.
        line: the line in that file, counted from 1.
    """

    level: Level
    what: str
    effect: str = ""
    cure: str = ""
    server: str | None = None
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class NotTold:
    """A check, or a part of it, that could not be made.

    Args:
        why: what was missing.
        cure: what would let it be made.
        server: the server that it is about.
    """

    why: str
    cure: str = ""
    server: str | None = None


@dataclass(frozen=True, slots=True)
class NotNeeded:
    """What a check is about is not there.

    Args:
        why: what is not.
    """

    why: str


Said = Diagnosis | NotTold | NotNeeded


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Args:
        id: its name, which stands in docs/doctor.md.
        title: what is true where it has nothing to say.
        examine: looks at the evidence; asks nobody.
        needs: what there must be for it.
    """

    id: str
    title: str
    examine: Callable[[Evidence], Iterator[Said]]
    needs: frozenset[Need] = frozenset()


@dataclass(frozen=True, slots=True)
class Examined:
    """A check that was made.

    Args:
        check: its id.
        title: what is true where it has nothing to say.
        diagnoses: what it has to say.
        not_told: what it could not be told.
        skipped: why it was not needed; "" where it was.
        note: what it does not cover; "" where it covers everything.
    """

    check: str
    title: str
    diagnoses: tuple[Diagnosis, ...] = ()
    not_told: tuple[NotTold, ...] = ()
    skipped: str = ""
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of what it says.

        Example:
            >>> Examined("a", "It is.", (Diagnosis("info", "It is so."),)).verdict
            'info'
        """
        levels = {diagnosis.level for diagnosis in self.diagnoses}
        for level in ("error", "warning"):
            if level in levels:
                return level
        if self.not_told:
            return "unknown"
        if self.skipped:
            return "not needed"
        return "info" if levels else "healthy"


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was found of one environment.

    Args:
        environment: the profile.
        url: the primary's address, without its password.
        server_version: the primary's version; None where it did not answer.
        examined: the checks, in the order in which they stand in the registry.
    """

    environment: str
    url: str
    server_version: str | None
    examined: tuple[Examined, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing must be mended."""
        return all(each.verdict != "error" for each in self.examined)
