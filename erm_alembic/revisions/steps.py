"""What is pending: the revisions to run, each with Alembic's own step and the facts of its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alembic.runtime.migration import MigrationStep, RevisionStep
from alembic.script import Script, ScriptDirectory

from erm_alembic.revisions.facts import RevisionFacts, read_facts
from erm_alembic.revisions.graph import downgrade_steps, latest_first, script_of, upgrade_steps
from erm_alembic.revisions.project import AlembicProject

__all__ = ["PendingRevision", "pending_alone", "pending_downgrades", "pending_upgrades"]


@dataclass(frozen=True)
class PendingRevision:
    """One revision that is to be run.

    Args:
        facts: what its file says.
        file: the file as its code objects name it.
        step: Alembic's step; None for a downgrade that the file does not define.
    """

    facts: RevisionFacts
    file: str
    step: RevisionStep | None


def pending_upgrades(
    project: AlembicProject, scripts: ScriptDirectory, current: Sequence[str], to: str
) -> list[PendingRevision]:
    """The revisions between the recorded ones and `to`, in the order in which they run.

    Args:
        project: the Alembic project.
        scripts: its revision graph.
        current: the revisions recorded in the database, all of them known.
        to: `heads`, `head`, `branch@head`, `+N` or a revision id.

    Raises:
        UsageError: `to` does not exist or cannot be reached by going up.
    """
    return [
        PendingRevision(read_facts(project, step.revision), step.revision.path, step)
        for step in upgrade_steps(scripts, current, to)
    ]


def pending_downgrades(
    project: AlembicProject,
    scripts: ScriptDirectory,
    current: Sequence[str],
    *,
    to: str | None,
    count: int,
    applied_order: Callable[[str], int | None],
) -> list[PendingRevision]:
    """The revisions to take back, latest first.

    Args:
        project: the Alembic project.
        scripts: its revision graph.
        current: the revisions recorded in the database, all of them known.
        to: what shall remain (`base`, a revision id, `-N`); None takes back the `count` most recent.
        count: how many to take back when `to` is None.
        applied_order: a number that grows with the time at which a revision was applied.

    Raises:
        UsageError: `to` does not exist, or the most recent revision is not certain.
    """
    if to is not None:
        wanted: list[Script] = downgrade_steps(scripts, current, to)
    else:
        wanted = latest_first(scripts, current, count, applied_order)
    return [_downgrade(project, scripts, script) for script in wanted]


def pending_alone(
    project: AlembicProject, scripts: ScriptDirectory, revision: str, *, upgrade: bool
) -> PendingRevision:
    """One revision by itself, whatever the database records.

    Args:
        project: the Alembic project.
        scripts: its revision graph, which has the revision.
        revision: its id.
        upgrade: whether it is to go up.
    """
    script = script_of(scripts, revision)
    if not upgrade:
        return _downgrade(project, scripts, script)
    step = MigrationStep.upgrade_from_script(scripts.revision_map, script)  # type: ignore[no-untyped-call,unused-ignore]  # Alembic
    return PendingRevision(read_facts(project, script), script.path, step)


def _downgrade(project: AlembicProject, scripts: ScriptDirectory, script: Script) -> PendingRevision:
    facts = read_facts(project, script)
    defined = callable(getattr(script.module, "downgrade", None)) and facts.downgrade.runs
    step = MigrationStep.downgrade_from_script(scripts.revision_map, script) if defined else None
    return PendingRevision(facts, script.path, step)
