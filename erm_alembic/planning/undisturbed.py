"""Plan a database that nobody changes meanwhile: what is read in the middle of another deployment is neither one nor
the other, and a revision that fails on it, or drift that is seen, says nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from erm_alembic.errors import LockNotHad
from erm_alembic.planning.build import Survey
from erm_alembic.planning.record import RevisionFailed
from erm_alembic.planning.standing import read_standing
from erm_alembic.postgres.deploy_lock import Holder, lock_holder
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.target import Target

__all__ = ["undisturbed"]

POLL_SECONDS = 0.2


def undisturbed(target: Target, project: AlembicProject, plan: Callable[[], Survey], wait: float | None) -> Survey:
    """Plan, and plan again where what was found may come of another deployment that was under way.

    Args:
        target: the database.
        project: the Alembic project.
        plan: plans; may be called several times.
        wait: how long to wait for another deployment to end, in seconds; None means `execution.deploy_lock_wait`.

    Raises:
        LockNotHad: another deployment goes on for longer.
        ErmError: a subclass of it, what `plan` raises although nobody was at work.
    """
    patience = target.settings.execution.deploy_lock_wait.total_seconds() if wait is None else wait
    deadline = time.monotonic() + patience
    while True:
        try:
            survey = plan()
        except RevisionFailed as failure:
            if not _was_disturbed(target, project, failure.current, deadline):
                raise
        else:
            drifted = any(each.source == "database" for each in survey.plan.drift)
            if not drifted or not _was_disturbed(target, project, survey.plan.current, deadline):
                return survey


def _was_disturbed(target: Target, project: AlembicProject, current: tuple[str, ...], deadline: float) -> bool:
    """Whether another deployment was or is under way; it has ended then."""
    with closing(target.connect_read_only("erm plan")) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        holder = met = lock_holder(cursor)
        while holder is not None:
            if time.monotonic() > deadline:
                raise _goes_on(holder)
            time.sleep(POLL_SECONDS)
            holder = lock_holder(cursor)
    return met is not None or read_standing(target, project).current != tuple(sorted(current))


def _goes_on(holder: Holder) -> LockNotHad:
    return LockNotHad(
        f"Another deployment is under way, by {holder}: what is planned in the middle of it would not be true.",
        effect="Nothing was planned, and nothing was changed.",
        cure=f"Plan again when it has ended (`--wait 5m` waits for it), or, when it is known to be dead, end it: "
        f"SELECT pg_terminate_backend({holder.pid});",
    )
