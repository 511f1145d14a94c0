"""Steps -> database: one deployer at a time, every run in the ledger, every ending in words."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from erm_alembic.config.redaction import redact
from erm_alembic.errors import ErmError
from erm_alembic.execute.approved.course import ApprovedCourse
from erm_alembic.execute.endings.aftermath import Aftermath, aftermath_of
from erm_alembic.execute.endings.ending import write_end
from erm_alembic.execute.hooks import HookFailed
from erm_alembic.execute.progress import UnfailingProgress
from erm_alembic.execute.provenance import git_commit
from erm_alembic.execute.run import Course, Run
from erm_alembic.execute.under_lock import connect_another, create_ledger, under_deploy_lock
from erm_alembic.ledger.store import Ledger
from erm_alembic.planning.model import Outcome
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.signals import Stopped
from erm_alembic.revisions.environment import run_environment

__all__ = ["execute"]


def execute(
    run: Run, *, wait: float | None, accept_environment: bool, course: Callable[..., Course] = Course
) -> Outcome:
    """Run a plan's steps.

    Args:
        run: the plan and where it goes.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        accept_environment: whether a database that was deployed under another environment is accepted.
        course: what it does with the steps, once it has the lock.

    Raises:
        LockNotHad: another deployer holds the lock.
        Refused: the database changed since it was planned, or belongs to another environment.
        TargetError: the database cannot be reached, or the ledger cannot be created.
        Interrupted: a signal arrived before the run began; one that arrives later is in the outcome.
    """
    begun = time.monotonic()
    run = replace(run, progress=UnfailingProgress(run.progress))
    opened = under_deploy_lock(run.target, run.project, f"erm {run.mode}", wait=wait, tell=run.progress.note)
    with opened as (raw, ledger, watch):
        with run.target.reported():
            create_ledger(run.target, ledger, accept_environment=accept_environment)
        # From its number on, whatever happens is an ending of the run, and is written to the ledger.
        with watch.held():
            with run.target.reported():
                run_id = _number(run, ledger, raw)
            return _guarded(course(run, run_id, raw, ledger, watch), begun)


def _number(run: Run, ledger: Ledger, raw: GatedConnection) -> int:
    run_id = ledger.start_run(
        mode=run.mode,
        environment=run.target.settings.environment,
        role=run.target.role,
        backend_pid=raw.info.backend_pid,
        git_commit=git_commit(run.project.root),
        overrides=[(override.rule, redact(override.reason)) for override in run.overrides],
    )
    if (approved := ApprovedCourse.of(run.approval, run_id, run.target.settings.ledger.schema)) is not None:
        approved.begin(ledger.connection)
    return run_id


Ending = tuple[Literal["done", "failed", "interrupted"], str | None]


def _guarded(course: Course, begun: float) -> Outcome:
    """Run the steps; whatever ends them early becomes an outcome, and the server has rolled the revision back.

    Signals are held but for the steps themselves: what comes after them is the run's end, which is written in any case.
    """
    failure: BaseException | None = None
    try:
        with course.watch.heeded():
            _run_environment(course)
            course.watch.check()
            course.check_ended()
    except BaseException as error:
        failure = error
    ending = _ending(course, failure)
    asked = write_end(course, *ending)
    aftermath = aftermath_of(course, failure if ending[0] == "failed" else None, asked=asked)
    if failure is not None and ending[0] == "failed" and not isinstance(failure, (ErmError, HookFailed)):
        course.run.progress.failed(failure)
    if ending[0] != "done":
        course.fail_step(ending[1] or ending[0])
    outcome = replace(_outcome(course, ending, aftermath, begun), current_known=asked)
    try:
        course.hooks.after_run(outcome)
    finally:
        course.run.progress.run_finished(outcome)
    if isinstance(failure, ErmError) and ending[0] == "failed":
        raise failure
    return outcome


def _ending(course: Course, failure: BaseException | None) -> Ending:
    """What ended the run; a signal is the reason for whatever failed when it arrived."""
    if failure is None:
        return "done", None
    said = "" if isinstance(failure, KeyboardInterrupt) else _what(course, failure)
    if course.watch.received is not None:
        return "interrupted", f"stopped by {Stopped(course.watch.received)}"
    return (
        ("interrupted", "stopped by KeyboardInterrupt") if isinstance(failure, KeyboardInterrupt) else ("failed", said)
    )


def _what(course: Course, failure: BaseException) -> str:
    return failure.what if isinstance(failure, ErmError) else course.where_it_failed(failure)


def _outcome(course: Course, ending: Ending, aftermath: Aftermath, begun: float) -> Outcome:
    result, error = ending
    return Outcome(
        result=result,
        run_id=course.run_id,
        steps=course.step_outcomes(complete=result == "done"),
        current=course.current,
        duration_ms=round((time.monotonic() - begun) * 1000),
        error=error,
        signal_number=course.watch.received if result == "interrupted" else None,
        effect=aftermath.effect,
        cure=aftermath.cure,
        backup=course.guarding.backup,
    )


def _run_environment(course: Course) -> None:
    run, raw, target = course.run, course.raw, course.run.target

    def connect() -> GatedConnection:
        another = connect_another(target, f"erm {run.mode}", course.limits)
        course.observer.attend(another)
        return another

    with target.reported():
        course.limits.set_up(raw, quiet=True)
        course.limits.set_up(course.ledger.connection, quiet=True)
        target.set_role(raw)
    raw.autocommit = False
    course.observer.attend(raw)
    engine = target.engine(raw, connect)
    with engine.connect() as connection, course.locks.watching():
        connection.rollback()
        run_environment(
            run.project,
            run.survey.scripts,
            run.project.config(),
            connection,
            target.url,
            course.steps,
            destination=run.survey.request.destination,
            read_only=False,
            metadata=target.settings.migrations.metadata,
            on_heads=course.on_heads,
            limits=course.limits.in_force,
        )
