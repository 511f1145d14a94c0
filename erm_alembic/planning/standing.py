"""Where a database stands: what it records, what the graph says is missing, what is half done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from erm_alembic.errors import ErmError
from erm_alembic.ledger.progress import HalfDone
from erm_alembic.planning.alone import record_alone
from erm_alembic.planning.half_done import described, still_half_done, with_done_marked
from erm_alembic.planning.model import HalfDoneRevision
from erm_alembic.planning.record import record_revisions
from erm_alembic.planning.request import Request
from erm_alembic.revisions.facts import read_facts
from erm_alembic.revisions.graph import applied_revisions, known_revisions, script_of, unknown_revisions, upgrade_steps
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["Standing", "read_standing"]


@dataclass(frozen=True)
class Standing:
    """Where a database stands.

    Args:
        current: the revisions recorded in the database.
        heads: the heads of the project's revision files.
        pending: the revisions from there to the heads, in order; empty where an unknown one hides them.
        unknown: recorded revisions that no file declares.
        half_done: revisions of which only a part is committed.
    """

    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...]
    half_done: tuple[HalfDoneRevision, ...] = ()


def read_standing(target: Target, project: AlembicProject, half_done: Iterable[HalfDone] = ()) -> Standing:
    """Ask the database, through the project's env.py, what it records; env.py knows which version table is meant.

    Only half-done revisions are recorded, to tell what comes next in them.

    Args:
        target: the database.
        project: the Alembic project.
        half_done: what the ledger says of half-done revisions.

    Raises:
        ProjectError: the project cannot be read, or env.py fails.
        TargetError: the database cannot be reached.
    """
    with project.entered():
        config = project.config()
        scripts = project.scripts(config)
        half_done = tuple(half_done)
        recorded = record_revisions(target, project, scripts, config, lambda _: (), Request(), scoped=bool(half_done))
        current = recorded.current
        half_done = tuple(each for each in half_done if each.scope == recorded.scope)
        unknown = unknown_revisions(scripts, current)
        steps = [] if unknown else upgrade_steps(scripts, current, "heads")
        if half_done and not unknown:
            half_done = still_half_done(half_done, applied_revisions(scripts, current))
        return Standing(
            current=tuple(sorted(current)),
            heads=tuple(sorted(scripts.get_heads())),
            pending=tuple(step.revision.revision for step in steps),
            unknown=unknown,
            half_done=tuple(_described(target, project, scripts, each) for each in half_done),
        )


def _described(target: Target, project: AlembicProject, scripts: ScriptDirectory, half: HalfDone) -> HalfDoneRevision:
    if half.revision not in known_revisions(scripts):
        return described(half, {})
    files = {half.revision: read_facts(project, script_of(scripts, half.revision))}
    known = described(half, files)
    if known.obstacle is not None:
        return known
    try:
        recorded = record_alone(target, project, scripts, half.revision, known.direction)
    except ErmError:  # a status says what it can
        return known
    return (
        known if recorded is None else described(half, files, with_done_marked([recorded.step], [half])[0].statements)
    )
