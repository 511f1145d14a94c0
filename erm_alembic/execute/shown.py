"""Whether what is half done is still what the plan has shown, once the deploy lock is had."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from erm_alembic.checks.half_done_revision import hindrances
from erm_alembic.config.env_option import env_option
from erm_alembic.errors import Refused
from erm_alembic.ledger.progress import HalfDone
from erm_alembic.planning.build import Survey
from erm_alembic.planning.half_done import described
from erm_alembic.planning.model import Step
from erm_alembic.revisions.facts import read_facts
from erm_alembic.revisions.graph import known_revisions, script_of
from erm_alembic.revisions.project import AlembicProject

__all__ = ["refuse_what_was_not_shown"]


def refuse_what_was_not_shown(
    project: AlembicProject, survey: Survey, steps: Sequence[Step], half_done: Collection[HalfDone]
) -> None:
    """Another deployer may have left a part of a revision, with other code, while this one waited for the lock.

    Args:
        project: the Alembic project.
        survey: the plan and what it was made from.
        steps: those of its steps that are pending yet.
        half_done: what is half done now.

    Raises:
        Refused: something is in the way of going on that the plan has not shown.
    """
    if not half_done:
        return
    scripts, plan = survey.scripts, survey.plan
    known = known_revisions(scripts)
    there = (half.revision for half in half_done if half.revision in known)
    files = {revision: read_facts(project, script_of(scripts, revision)) for revision in there}
    now = replace(plan, steps=tuple(steps), half_done=tuple(described(half, files) for half in half_done))
    shown = {(half.revision, half.direction, half.run_id, why) for half, why in hindrances(plan)}
    for half, why in hindrances(now):
        if why is not None and (half.revision, half.direction, half.run_id, why) not in shown:
            raise Refused(
                f"Since it was planned, run {half.run_id} has left a part of revision {half.revision}; {why}.",
                effect="No revision was run.",
                cure="Plan again, to see how far it came; "
                f"`erm repair {half.revision}{env_option(plan.environment)}` shows the ways out.",
            )
