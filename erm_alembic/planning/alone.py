"""Record one revision by itself: what is left of a half-done one, and what taking it back would send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from erm_alembic.planning.model import DataLoss, Step
from erm_alembic.planning.record import record_revisions
from erm_alembic.planning.request import Direction, Request
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.steps import pending_alone
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["Alone", "record_alone"]


@dataclass(frozen=True)
class Alone:
    """One revision in one direction, recorded by itself.

    Args:
        step: what it would send.
        data_loss: what it would lose, where it goes down.
    """

    step: Step
    data_loss: tuple[DataLoss, ...] = ()


def record_alone(
    target: Target, project: AlembicProject, scripts: ScriptDirectory, revision: str, direction: Direction
) -> Alone | None:
    """Record a revision on the database as it is, wherever that stands in its history; nothing is written.

    Args:
        target: the database.
        project: the Alembic project, entered.
        scripts: its revision graph, which has the revision.
        revision: its id.
        direction: the way that it goes.

    Returns:
        What it sends; None when its file does not define that direction.

    Raises:
        ProjectError: env.py fails, or the revision does before it writes anything.
        TargetError: the database cannot be reached.
    """
    pending = pending_alone(project, scripts, revision, upgrade=direction == "upgrade")
    if pending.step is None:
        return None
    request = Request(direction, revision)
    recorded = record_revisions(
        target, project, scripts, project.config(), lambda _: (pending,), request, apart=True, half_done=(revision,)
    )
    return Alone(recorded.steps[0], recorded.data_loss)
