"""Where a database stands in its history, and what does not count in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from erm_alembic.planning.model import HalfDoneRevision

if TYPE_CHECKING:
    from erm_alembic.planning.build import Survey
    from erm_alembic.target import Target

__all__ = ["Position", "position_of", "tips"]


@dataclass(frozen=True)
class Position:
    """Where a database stands in its history, and what does not count in it.

    Args:
        current: the revisions that it records.
        afterwards: those that it would record once what is pending has run; the same where nothing is.
        version_table: Alembic's version table, with its schema.
        ledger_schema: the schema of erm's ledger.
        half_done: the revisions of which only a part is committed.
        parents: what each revision of the project builds or depends on; empty where nothing is pending or half done.
    """

    current: tuple[str, ...]
    afterwards: tuple[str, ...]
    version_table: str
    ledger_schema: str
    half_done: tuple[HalfDoneRevision, ...] = ()
    parents: Mapping[str, Sequence[str]] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing is pending and nothing half done: then the two catalogs alone decide what is drift."""
        return set(self.afterwards) == set(self.current) and not self.half_done


def position_of(target: Target, survey: Survey) -> Position:
    """Where a database stands in its history.

    Args:
        target: the database.
        survey: what was read of it, with its basis.
    """
    plan = survey.plan
    assert plan.basis is not None
    steps = {step.revision for step in plan.steps}
    goes_up = bool(steps) and plan.direction == "upgrade"
    parents = survey.parents() if goes_up or plan.half_done else {}
    return Position(
        current=plan.current,
        afterwards=tips({*plan.current, *steps}, parents) if goes_up else plan.current,
        version_table=plan.basis.version_table,
        ledger_schema=target.settings.ledger.schema,
        half_done=plan.half_done,
        parents=parents,
    )


def tips(revisions: Collection[str], parents: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Those of some revisions that none of the others builds on, directly or not.

    Args:
        revisions: the revisions.
        parents: what each revision builds or depends on.

    Example:
        >>> tips(["a", "b", "d"], {"b": ["a"], "c": ["b"], "d": ["c"]})
        ('d',)
    """
    below: set[str] = set()
    ahead = [parent for revision in revisions for parent in parents.get(revision, ())]
    while ahead:
        revision = ahead.pop()
        if revision not in below:
            below.add(revision)
            ahead.extend(parents.get(revision, ()))
    return tuple(sorted(set(revisions) - below))
