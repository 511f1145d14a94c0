"""Where a database stands, without running a revision: what it records, and what the graph says is missing."""

from __future__ import annotations

from dataclasses import dataclass

from erm_alembic.planning.record import record_revisions
from erm_alembic.planning.request import Request
from erm_alembic.revisions.graph import unknown_revisions, upgrade_steps
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.target import Target

__all__ = ["Standing", "read_standing"]


@dataclass(frozen=True)
class Standing:
    """Where a database stands.

    Args:
        current: the revisions recorded in the database.
        heads: the heads of the project's revision files.
        pending: the revisions from there to the heads, in order; empty where an unknown one hides them.
        unknown: recorded revisions that no file declares.
    """

    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...]


def read_standing(target: Target, project: AlembicProject) -> Standing:
    """Ask the database, through the project's env.py, what it records; env.py knows which version table is meant.

    Args:
        target: the database.
        project: the Alembic project.

    Raises:
        ProjectError: the project cannot be read, or env.py fails.
        TargetError: the database cannot be reached.
    """
    with project.entered():
        config = project.config()
        scripts = project.scripts(config)
        current = record_revisions(target, project, scripts, config, lambda _: (), Request()).current
        unknown = unknown_revisions(scripts, current)
        steps = [] if unknown else upgrade_steps(scripts, current, "heads")
        return Standing(
            current=tuple(sorted(current)),
            heads=tuple(sorted(scripts.get_heads())),
            pending=tuple(step.revision.revision for step in steps),
            unknown=unknown,
        )
