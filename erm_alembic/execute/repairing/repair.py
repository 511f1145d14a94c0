"""The repairs of a half-done revision that `erm repair` does itself, each under the deploy lock and in the ledger.

Resuming is not among them: that is an apply, or a rollback, of one revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.checks.overrides import Override
from erm_alembic.config.env_option import env_option
from erm_alembic.errors import Refused
from erm_alembic.execute.deploy import execute
from erm_alembic.execute.going import Going
from erm_alembic.execute.passage import NothingSent
from erm_alembic.execute.progress import NotesOnly, Progress
from erm_alembic.execute.repairing.passing_over import PassingOver
from erm_alembic.execute.resuming.clearing import Clearing
from erm_alembic.execute.run import Course, Run
from erm_alembic.execute.step import StepUnderWay
from erm_alembic.ledger.store import Ledger
from erm_alembic.ledger.taking_back import TAKING_BACK, note_taking_back
from erm_alembic.planning.build import Survey
from erm_alembic.planning.model import Outcome, Plan, Step
from erm_alembic.planning.record import without_statements
from erm_alembic.planning.request import Direction, Request
from erm_alembic.planning.ways import Way, Ways
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.login_role import as_login_role
from erm_alembic.postgres.signals import SignalWatch
from erm_alembic.revisions.apart import run_apart
from erm_alembic.revisions.environment import MigrationContext, RevisionStep
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.steps import pending_alone
from erm_alembic.target import Target

__all__ = ["Repairing", "forget", "mark_done", "take_back"]

# What a course begins with, once it has the lock and its number in the ledger.
Started = tuple[Run, int, GatedConnection, Ledger, SignalWatch]


@dataclass(frozen=True)
class Repairing:
    """A repair that is to be done.

    Args:
        target: the database.
        project: the Alembic project.
        ways: the half-done revision, as the user has seen it.
        way: the way that was chosen.
        progress: who watches.
        why: what the ledger keeps of it: the way, the revision and the reason.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        accept_environment: whether a database that was deployed under another environment is accepted.
        allow_data_loss: whether rows and values may be lost by taking it back.
    """

    target: Target
    project: AlembicProject
    ways: Ways
    way: Way
    progress: Progress
    why: Override
    wait: float | None
    accept_environment: bool
    allow_data_loss: bool = False


def mark_done(repairing: Repairing) -> Outcome:
    """Record the revision as Alembic does at its end, and send nothing of it.

    Args:
        repairing: what is to be done.

    Raises:
        Refused: the database is not as it was shown.
        ErmError: another subclass of it, as `execute` does.
    """
    half = repairing.ways.half_done
    with repairing.project.entered():
        scripts = repairing.project.scripts()
        upgrade = half.direction == "upgrade"
        pending = pending_alone(repairing.project, scripts, half.revision, upgrade=upgrade)
        step = without_statements(pending, half.direction)
    quiet = replace(repairing, progress=NotesOnly(repairing.progress))
    return _execute(quiet, half.direction, (step,), lambda *started: _MarkedDone(quiet, started))


def take_back(repairing: Repairing) -> tuple[Outcome, tuple[str, ...]]:
    """Run the downgrade() of a half-done revision, and leave Alembic's version table alone.

    Args:
        repairing: what is to be done.

    Returns:
        How it ended, and what was passed over.

    Raises:
        Refused: the database is not as it was shown.
        ErmError: another subclass of it, as `execute` does.
    """
    assert repairing.way.step is not None  # or the way would be closed
    passed_over: list[str] = []
    outcome = _execute(
        repairing,
        "downgrade",
        (repairing.way.step,),
        lambda *started: _TakenBack(repairing, passed_over, started),
    )
    return outcome, tuple(passed_over)


def forget(repairing: Repairing) -> Outcome:
    """Remove the ledger's notes of a half-done revision; the database stays as it is.

    Args:
        repairing: what is to be done.

    Raises:
        Refused: the database is not as it was shown.
        ErmError: another subclass of it, as `execute` does.
    """
    direction = repairing.ways.half_done.direction
    return _execute(repairing, direction, (), lambda *started: _Forgotten(repairing, started))


def _execute(
    repairing: Repairing, direction: Direction, steps: tuple[Step, ...], course: Callable[..., Course]
) -> Outcome:
    target, project, half = repairing.target, repairing.project, repairing.ways.half_done
    with project.entered():
        scripts = project.scripts()
    plan = Plan(
        environment=target.settings.environment,
        database_url=target.redacted,
        server_version=target.server_version,
        direction=direction,
        current=repairing.ways.current,
        heads=tuple(sorted(scripts.get_heads())),
        steps=steps,
    )
    request = Request(direction, half.revision, only=True)
    survey = Survey(plan, pending=(), applied=(), unknown=(), ledger={}, request=request, scripts=scripts)
    lost = (Override("data-loss", "--allow-data-loss"),) if repairing.allow_data_loss else ()
    overrides = (repairing.why, *lost)
    run = Run(target, project, survey, "repair", repairing.progress, overrides, way=repairing.way.action)
    repairing.progress.run_started(plan, "repair")
    return execute(run, wait=repairing.wait, accept_environment=repairing.accept_environment, course=course)


class _Repair(Course):
    """The course of a repair: before anything is done, it is certain that the database is as it was shown."""

    def __init__(self, repairing: Repairing, started: Started) -> None:
        super().__init__(*started)
        self.repairing = repairing

    def _verify(self, heads: tuple[str, ...], context: MigrationContext) -> None:
        self.know_scope(context)
        shown = self.repairing.ways
        if shown.found not in self.ledger.half_done() or sorted(heads) != sorted(shown.current):
            raise Refused(
                f"Somebody else has worked on revision {shown.half_done.revision} since it was looked at.",
                effect="No revision was run.",
                cure=f"Look again: erm repair{env_option(self.run.survey.plan.environment)}.",
            )
        self.current = self.next_heads = shown.current


class _MarkedDone(_Repair):
    """Nothing of the revision is sent: it was done by hand."""

    def going_about(self, under_way: StepUnderWay, function: Callable[..., Any]) -> Going:
        """Nothing is run in place of the revision's function."""
        return Going(lambda **_kw: None, NothingSent())

    def steps(self, heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
        """Alembic's own step, for what it does to the version table."""
        self._verify(heads, context)
        yield from super().steps(heads, context)


class _Forgotten(_Repair):
    def steps(self, heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
        """No step at all."""
        self._verify(heads, context)
        half = self.repairing.ways.half_done
        self.ledger.forget_progress(half.revision, half.direction)
        return ()


class _TakenBack(_Repair):
    """Not what was done is passed over, but what was not."""

    def __init__(self, repairing: Repairing, passed_over: list[str], started: Started) -> None:
        super().__init__(repairing, started)
        self._passed_over = passed_over
        self._is_noted = any(each.tag == TAKING_BACK for each in repairing.ways.found.statements)

    def steps(self, heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
        """No step that Alembic would record: the function alone."""
        self._verify(heads, context)
        assert context.connection is not None
        self.connection = context.connection
        self.limits.look_again(self.raw)
        self.raw.commit()
        half = self.repairing.ways.half_done
        pending = pending_alone(self.run.project, self.run.survey.scripts, half.revision, upgrade=False)
        step = pending.step
        assert step is not None  # or the way would be closed
        under_way = self.begin_step(pending, 1, 1)
        step.migration_fn = self._forgetting(self.recorded(step.migration_fn, under_way))
        run_apart(context, step)
        self.end_step(under_way)
        return ()

    def going_about(self, under_way: StepUnderWay, function: Callable[..., Any]) -> Going:
        """The function runs, past what there is nothing of to take back."""
        tell = self.run.progress.note
        builds = [each for each in self.repairing.ways.found.statements if each.index_name is not None]
        stood = {str(each.index_name): frozenset(each.indexes_before) for each in reversed(builds)}
        clearing = Clearing(self.locks.sending, tell)
        return Going(function, PassingOver(tell, clearing, self._before_commit, self._passed_over, stood))

    def _forgetting(self, recorded: Callable[..., None]) -> Callable[..., None]:
        """With the end of the downgrade, in the same transaction, the ledger forgets how far the upgrade came."""

        def migration_fn() -> None:
            recorded()
            with self.raw.cursor(cursor_factory=PlainCursor) as cursor, as_login_role(cursor):
                cursor.execute(self.ledger.progress_delete(), [self.repairing.ways.half_done.revision, "upgrade"])

        return migration_fn

    def _before_commit(self) -> None:
        """From here on what was done is not whole any more: no apply may go on with it."""
        if not self._is_noted:
            note_taking_back(self.ledger, self.repairing.ways.found, self.run_id)
            self._is_noted = True
