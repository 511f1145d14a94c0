"""`erm repair`: the ways out of a half-done revision, shown first, then gone under the deploy lock.

settings -> target -> project -> ledger -> ways (recorded) -> execute
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from erm_alembic.checks.overrides import Override
from erm_alembic.config.env_option import env_option
from erm_alembic.errors import Refused, UsageError
from erm_alembic.findings import blocking
from erm_alembic.ledger.store import open_ledger
from erm_alembic.opening import Opened, interruptible, open_project
from erm_alembic.pipeline import plan_request, run_plan
from erm_alembic.planning.model import Outcome
from erm_alembic.planning.reports import HalfDoneReport, Repaired
from erm_alembic.planning.request import Request, run_option
from erm_alembic.planning.ways import Action, Way, Ways, read_ways
from erm_alembic.revisions.project import AlembicOptions

if TYPE_CHECKING:
    from erm_alembic.execute.progress import Progress

__all__ = ["HalfDoneReport", "Repaired", "half_done", "repair"]

NOTHING_CHANGED = "Nothing was changed."
# What erm cannot see for itself: whoever says that a database was put right by hand says how.
NEED_REASON: tuple[Action, ...] = ("mark-done", "forget")


def half_done(
    env: str | None = None,
    revision: str | None = None,
    *,
    config: Path | None = None,
    options: AlembicOptions | None = None,
) -> HalfDoneReport:
    """What is half done, and what each way out of it would send. Nothing is written.

    Args:
        env: the profile.
        revision: only this one: its id, whole or the beginning of it; None means all.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Raises:
        UsageError: that revision is not half done.
        ErmError: another subclass of it, when it cannot be told.

    Example:
        >>> from erm_alembic.repairs import half_done
        >>> half_done("staging").revisions
        ()
    """
    opened = open_project(env, config, options)
    return HalfDoneReport(
        environment=opened.settings.environment,
        database_url=opened.target.redacted,
        server_version=opened.target.server_version,
        revisions=_look(opened, revision),
    )


def repair(
    env: str | None = None,
    revision: str | None = None,
    *,
    action: Action,
    reason: str | None = None,
    config: Path | None = None,
    wait: float | None = None,
    allow_data_loss: bool = False,
    accept_environment: bool = False,
    progress: Progress | None = None,
    options: AlembicOptions | None = None,
    shown: Ways | None = None,
) -> Repaired:
    """Go one of the ways out of a half-done revision, under the deploy lock; the ledger keeps it as a run of its own.

    Args:
        env: the profile.
        revision: its id, whole or the beginning of it; None means the only one.
        action: `resume` goes on with it as apply or rollback would; `mark-done` records it as done by hand and sends
            nothing of it; `take-back` runs its downgrade() for what is done; `forget` only removes the ledger's notes.
        reason: why; `mark-done` and `forget` need one.
        config: the path of erm.yaml.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        allow_data_loss: whether rows and values may be lost by taking it back.
        accept_environment: whether a database that was deployed under another environment is accepted.
        progress: told what happens.
        options: Alembic's own options for env.py.
        shown: what a user has agreed to; the repair is refused when it is something else by now.

    Raises:
        UsageError: no such revision is half done, several could be meant, or the reason is missing.
        Refused: that way is closed, or a check objects.
        ErmError: another subclass of it, when erm could not run.

    Example:
        >>> import erm_alembic
        >>> from erm_alembic.errors import ErmError
        >>> try:
        ...     erm_alembic.repair("staging", "3a1f", action="resume")
        ... except ErmError as error:
        ...     print(error)
        Revision 3a1f is not half done.
    """
    if action in NEED_REASON and not (reason or "").strip():
        raise UsageError(
            f"--{action} needs a reason.", effect=NOTHING_CHANGED, cure="Say how it was put right: --reason TEXT"
        )
    # Looking, which is most of what is asked for, does without what runs a repair.
    from erm_alembic.execute.repairing.repair import Repairing, forget, mark_done, take_back
    from erm_alembic.telemetry import told

    opened = open_project(env, config, options, to_write=True)
    env_typed = env_option(opened.settings.environment)
    ways = _only(_look(opened, revision), env_typed)
    way = ways.way(action)
    _refuse_unless_open(ways, way, allow_data_loss, env_typed)
    if shown is not None and (shown.found, shown.way(action)) != (ways.found, way):
        raise Refused(
            f"What is to be done about revision {ways.half_done.revision} is not what was shown any more.",
            effect=NOTHING_CHANGED,
            cure=f"Look again: erm repair{env_typed}.",
        )
    why = Override(f"{action} {ways.half_done.revision}", (reason or "").strip() or "no reason given")
    if action == "resume":
        return Repaired(action, ways.half_done, _resume(opened, ways, wait, accept_environment, progress, why))
    with told(opened.target, progress) as watched:
        repairing = Repairing(
            opened.target, opened.project, ways, way, watched, why, wait, accept_environment, allow_data_loss
        )
        if action == "mark-done":
            return Repaired(action, ways.half_done, mark_done(repairing))
        if action == "forget":
            return Repaired(action, ways.half_done, forget(repairing))
        outcome, passed_over = take_back(repairing)
        return Repaired(action, ways.half_done, outcome, passed_over)


def _look(opened: Opened, revision: str | None) -> tuple[Ways, ...]:
    with opened.target.reported(), open_ledger(opened.target) as ledger:
        found = ledger.half_done()
    if revision is not None:
        meant = [each for each in found if each.revision == revision]
        found = tuple(meant or [each for each in found if revision and each.revision.startswith(revision)])
        if not found:
            raise UsageError(
                f"Revision {revision} is not half done.",
                effect=NOTHING_CHANGED,
                cure=f"`erm repair{env_option(opened.settings.environment)}` lists the revisions that are.",
            )
    if not found:
        return ()
    return interruptible(opened.target, lambda: read_ways(opened.target, opened.project, found))


def _only(revisions: tuple[Ways, ...], env_typed: str) -> Ways:
    if len(revisions) == 1:
        return revisions[0]
    if not revisions:
        raise UsageError("No revision is half done.", effect=NOTHING_CHANGED, cure="There is nothing to repair.")
    names = ", ".join(sorted(each.half_done.revision for each in revisions))
    raise UsageError(
        f"Several revisions are half done: {names}.",
        effect=NOTHING_CHANGED,
        cure=f"Name one: erm repair REV{env_typed}",
    )


def _refuse_unless_open(ways: Ways, way: Way, allow_data_loss: bool, env_typed: str) -> None:
    revision = ways.half_done.revision
    if way.closed is not None:
        open_ways = [f"--{each.action}" for each in ways.ways if each.closed is None]
        raise Refused(
            f"--{way.action} is closed for revision {revision}: {way.closed}.",
            effect=NOTHING_CHANGED,
            cure=f"`erm repair {revision}{env_typed}` shows the ways that are open: {', '.join(open_ways)}.",
        )
    lost = [loss for loss in way.data_loss if loss.rows != 0]
    if lost and not allow_data_loss:
        what = ", ".join(f"{loss.kind} {loss.object} ({_amount(loss.rows)})" for loss in lost)
        raise Refused(
            f"Taking back revision {revision} would lose rows or values: {what}.",
            effect=NOTHING_CHANGED,
            cure="Back them up first. When they may be lost, say so: --allow-data-loss.",
        )


def _amount(rows: int | None) -> str:
    return "how many is not known" if rows is None else str(rows)


def _resume(
    opened: Opened, ways: Ways, wait: float | None, accept_environment: bool, progress: Progress | None, why: Override
) -> Outcome:
    """Apply, or roll back, that revision alone."""
    half, env_typed = ways.half_done, env_option(opened.settings.environment)
    # Whether another environment is accepted is asked under the lock, in the words of a repair.
    survey = plan_request(opened, Request(half.direction, half.revision, only=True), accept_environment=True)
    for finding in blocking(survey.plan.findings):
        again = f"erm migrate{run_option(half.direction)} --override {finding.rule} --reason TEXT{env_typed}"
        raise Refused(finding.message, effect=NOTHING_CHANGED, cure=f"{finding.help} Or let it pass: {again}")
    if survey.plan.up_to_date:
        raise Refused(
            f"Revision {half.revision} is not the next one any more.",
            effect=NOTHING_CHANGED,
            cure=f"Look again: erm repair{env_typed}.",
        )
    return run_plan(
        opened,
        survey,
        wait=wait,
        accept_environment=accept_environment,
        progress=progress,
        overrides=(why,),
        mode="repair",
    ).outcome
