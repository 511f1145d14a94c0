"""One run on its way through a plan: one transaction a revision, each with its row in the ledger.

A revision's row in the ledger is written in the revision's own transaction: both are there, or neither is.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from psycopg2.extensions import TRANSACTION_STATUS_INTRANS
from psycopg2.extensions import cursor as PlainCursor
from sqlalchemy import Connection

from erm_alembic.checks.overrides import Override
from erm_alembic.config.env_option import env_option
from erm_alembic.config.redaction import first_line
from erm_alembic.errors import EnvironmentRefused, Refused
from erm_alembic.execute.approved.course import Approval, ApprovedCourse
from erm_alembic.execute.bookkeeping import open_last_transaction, record_revision
from erm_alembic.execute.changed import changed_since_plan
from erm_alembic.execute.endings.failure import describe_failure
from erm_alembic.execute.going import Going, as_planned
from erm_alembic.execute.guarding import Guard, Guarding, NoGuard
from erm_alembic.execute.hooks import HookFailed, Hooks, NoHooks, RunHooks
from erm_alembic.execute.losing import LossGuard, may_lose
from erm_alembic.execute.observe import Observer
from erm_alembic.execute.progress import Progress
from erm_alembic.execute.resuming.resume import Resume
from erm_alembic.execute.retry import Retries
from erm_alembic.execute.session import SessionLimits
from erm_alembic.execute.shown import refuse_what_was_not_shown
from erm_alembic.execute.step import StepUnderWay
from erm_alembic.execute.watch import LockWatch
from erm_alembic.ledger.progress import HalfDone
from erm_alembic.ledger.store import Ledger
from erm_alembic.planning.build import Survey, choose_pending
from erm_alembic.planning.half_done import still_half_done
from erm_alembic.planning.model import StepOutcome
from erm_alembic.planning.request import Mode, run_option
from erm_alembic.postgres.catalog import read_heads, whole_name
from erm_alembic.postgres.commits import commit_without_waiting, wait_for_commits
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.signals import SignalWatch
from erm_alembic.revisions.environment import MigrationContext, RevisionStep
from erm_alembic.revisions.forked import ends_forked_children
from erm_alembic.revisions.graph import applied_revisions, unknown_revisions
from erm_alembic.revisions.kept_open import kept_open
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.steps import PendingRevision
from erm_alembic.revisions.version_table import version_table
from erm_alembic.target import Target

__all__ = ["Course", "Run", "RunMode"]

RunMode = Mode | Literal["repair"]
LOOK = "SET CONSTRAINTS ALL IMMEDIATE"
LOST = "the server went down before this revision's commit was on its disk"


@dataclass(frozen=True)
class Run:
    """One apply or rollback that is to be done.

    Args:
        target: the database.
        project: the Alembic project.
        survey: the plan and what it was made from.
        mode: `apply`, `rollback` or `repair`.
        progress: who watches.
        overrides: the rules that were let pass, for the ledger.
        hooks: the team's own commands around it.
        way: the way out of a half-done revision that a repair goes: `resume`, `take-back`, `mark-done`, `forget`.
        approval: the approved plan that it must keep to; None where there is none.
        guard: has a backup before the first step, where one is demanded.
    """

    target: Target
    project: AlembicProject
    survey: Survey
    mode: RunMode
    progress: Progress
    overrides: tuple[Override, ...] = ()
    hooks: Hooks = field(default_factory=NoHooks)
    way: str = "resume"
    approval: Approval | None = None
    guard: Guard = field(default_factory=NoGuard)

    @property
    def command(self) -> str:
        """What is typed again when it did not get to its end; the options that it was given go with it."""
        env = env_option(self.survey.plan.environment)
        if self.mode == "repair":
            return f"erm repair {self.survey.request.to} --{self.way}{env}"
        plan = "" if self.approval is None else f" --plan {shlex.quote(self.approval.plan.name)}"
        return f"erm migrate{run_option(self.survey.plan.direction)}{env}{plan}"


class Course:
    """The course of a run that has the deploy lock and its number in the ledger: from step to step.

    Args:
        run: what is to be done.
        run_id: the run's number.
        raw: the migration's own connection, which holds the lock.
        ledger: the ledger, on a connection of its own.
        watch: tells of signals.
    """

    def __init__(
        self,
        run: Run,
        run_id: int,
        raw: GatedConnection,
        ledger: Ledger,
        watch: SignalWatch,
    ) -> None:
        self.run, self.run_id = run, run_id
        self.raw, self.ledger, self.watch = raw, ledger, watch
        # A connection that is lost does not know it any more.
        self.backend_pid = raw.info.backend_pid
        settings, tell = run.target.settings.execution, run.progress.note
        self.limits = SessionLimits(settings, tell)
        self.locks = LockWatch(ledger.connection, self.limits, tell)
        self.retries = Retries(settings, self.locks, tell, watch.check)
        lost_on_purpose = may_lose(run.target.settings.safety.rules, run.overrides)
        self.losses = None if lost_on_purpose else LossGuard(self.locks.sending)
        self.observer = Observer(self._show, self._show_end, watch.check, self.locks, self.losses)
        self.under_way: StepUnderWay | None = None
        self._planned = {step.revision: step for step in run.survey.plan.steps}
        self.outcomes: list[StepOutcome] = []
        self.current = run.survey.plan.current
        self.next_heads: tuple[str, ...] = ()
        self._heads_before: list[tuple[str, ...]] = []
        self.half_done: dict[tuple[str, str], HalfDone] = {}
        self._commits_wait_for: str | None = None
        self.approved = ApprovedCourse.of(run.approval, run_id, run.target.settings.ledger.schema)
        self.guarding = Guarding(run.guard, run_id, ledger, watch, run.progress.note)
        self.hooks = RunHooks(run.hooks, run.survey.plan, run_id, ledger, watch, run.progress.note)

    def _show(self, under_way: StepUnderWay, text: str, line: int | None) -> None:
        self.run.progress.statement(under_way.step, text, line)

    def _show_end(self, under_way: StepUnderWay, text: str, line: int | None, error: BaseException | None) -> None:
        self.run.progress.statement_finished(under_way.step, text, line, error)

    def steps(self, heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
        """The work that env.py's run_migrations() does: each step, recorded in its own transaction."""
        assert context.connection is not None
        self.connection: Connection = context.connection
        self.know_scope(context)
        self.limits.look_again(self.raw)
        # A revision that is rolled back, to be tried again, takes nothing with it of what stands before it.
        self.raw.commit()
        pending = self._still_pending(heads)
        self.half_done = self._still_half_done(heads)
        # A repair that sends nothing of it has seen to that itself.
        if self.run.mode != "repair" or self.run.survey.plan.half_done:
            steps = [self._planned[each.facts.revision] for each in pending]
            refuse_what_was_not_shown(self.run.project, self.run.survey, steps, self.half_done.values())
        run_hooks = self.run.target.settings.hooks
        if pending:
            self.hooks.before_run()
            if run_hooks.before_run:
                self._refuse_what_a_hook_changed(context)
            if self.guarding.have_backup() is not None:  # which may take an hour
                self._refuse_what_a_hook_changed(context, "something has changed it while a backup was taken")
            if self.approved is not None:
                self.approved.verify(self.raw)
        self._commit_without_waiting(len(pending))
        for number, each in enumerate(pending, start=1):
            if number == len(pending):
                self._wait_for_commits()
            self.hooks.before_revision(self._planned[each.facts.revision])
            if run_hooks.before_revision:
                self._refuse_what_a_hook_changed(context)
            under_way = self.begin_step(each, number, len(pending))
            step = each.step
            assert step is not None  # or the plan could not be run
            step.migration_fn = self.recorded(step.migration_fn, under_way)
            yield step
            self.end_step(under_way)
            self.hooks.after_revision(under_way.step, self.outcomes[-1], self.current)

    def _refuse_what_a_hook_changed(
        self, context: MigrationContext, why: str = "a hook of this run has changed it"
    ) -> None:
        """A team's command may have migrated by itself: what was planned does not begin where the database is now."""
        with self.raw.cursor(cursor_factory=PlainCursor) as cursor:
            heads = read_heads(cursor, version_table(context))
        self.raw.commit()
        if heads != tuple(sorted(self.current)):
            self.current = heads
            raise changed_since_plan(heads, why)

    def _commit_without_waiting(self, pending: int) -> None:
        """Let the commits before the last one return early; a hook may act on a revision as soon as it is done."""
        settings = self.run.target.settings
        hooks = settings.hooks.before_revision or settings.hooks.after_revision
        if pending > 1 and not hooks and not settings.execution.synchronous_commit:
            with self.raw.cursor(cursor_factory=PlainCursor) as cursor:
                self._commits_wait_for = commit_without_waiting(cursor)
            self.raw.commit()

    def _wait_for_commits(self) -> None:
        if self._commits_wait_for is not None:
            with self.raw.cursor(cursor_factory=PlainCursor) as cursor:
                wait_for_commits(cursor, self._commits_wait_for)
            self.raw.commit()

    def know_scope(self, context: MigrationContext) -> None:
        """Which version table this is about: what is half done in one tenant's schema is not in another's."""
        with self.raw.cursor(cursor_factory=PlainCursor) as cursor:
            self.ledger.scope = whole_name(cursor, version_table(context))

    def on_heads(self, heads: frozenset[str]) -> None:
        """The revisions that the database records once the transaction under way is committed."""
        self.next_heads = tuple(sorted(heads))

    def _still_pending(self, heads: tuple[str, ...]) -> list[PendingRevision]:
        """Read again under the lock what is pending; another deployer may have done all or part of it."""
        run, survey = self.run, self.run.survey
        if unknown_revisions(survey.scripts, heads):
            raise changed_since_plan(heads)
        pending = choose_pending(run.project, survey.scripts, survey.request, heads, self.ledger.applied_order())
        wanted = [step.revision for step in survey.plan.steps]
        found = [each.facts.revision for each in pending]
        unchanged = found == wanted or (run.mode == "apply" and found == [each for each in wanted if each in found])
        if not unchanged:
            raise changed_since_plan(heads)
        self.current = tuple(sorted(heads))
        return pending

    def _still_half_done(self, heads: tuple[str, ...]) -> dict[tuple[str, str], HalfDone]:
        """What earlier runs left half done; what plain Alembic has ended since is forgotten."""
        found = self.ledger.half_done()
        if not found:
            return {}
        still = still_half_done(found, applied_revisions(self.run.survey.scripts, heads))
        for each in found:
            if each not in still:
                self.ledger.forget_progress(each.revision, each.direction)
        return {(each.revision, each.direction): each for each in still}

    def begin_step(self, pending: PendingRevision, number: int, total: int) -> StepUnderWay:
        """A step begins, so many of so many."""
        plan = self.run.survey.plan
        step = self._planned[pending.facts.revision]
        self.under_way = StepUnderWay(pending, step, plan.direction)
        self.run.progress.step_started(step, number, total)
        self.locks.tell_before(step, self.raw.info.backend_pid)
        return self.under_way

    def going_about(self, under_way: StepUnderWay, function: Callable[..., Any]) -> Going:
        """How a revision is gone about: what is committed of it, or known to be all of it, is not found out again."""
        half_done = self.half_done.get((under_way.revision, under_way.direction))
        planned = self.run.survey.to_send.get(under_way.revision)
        if planned is not None and half_done is None:
            return as_planned(self.connection, under_way, planned)
        tell, sending = self.run.progress.note, self.locks.sending
        environment = self.run.target.settings.environment
        resume = Resume(self.ledger, self.run_id, under_way, half_done, self.raw, sending, tell, environment)
        return Going(function, resume if self.approved is None else self.approved.passage(under_way, resume))

    def recorded(self, function: Callable[..., Any], under_way: StepUnderWay) -> Callable[..., None]:
        """What Alembic calls instead of the revision's function, in the transaction of that revision."""

        def migration_fn(**kw: Any) -> None:
            going = self.going_about(under_way, function)
            body, passage = going.body, going.passage

            def once() -> None:
                self.observer.end()
                passage.begin()
                if self.losses is not None:
                    self.losses.begin(under_way, self.raw)
                self.observer.begin(under_way, passage)
                try:
                    body(**kw)
                except Exception:
                    passage.raise_kept()
                    if self.losses is not None:
                        self.losses.raise_kept()
                    raise
                passage.check()
                if self.losses is not None:
                    self.losses.end(self.raw)
                self._check_deferred(under_way)

            self._attempts(under_way, once)
            self.watch.check()
            self.observer.end()
            open_last_transaction(self.raw)
            if self.approved is not None:
                self.approved.finished(self.raw, under_way.revision)
            tell, has_progress = self.run.progress.note, passage.has_progress
            try:
                record_revision(self.raw, self.ledger, self.run_id, under_way, has_progress=has_progress, tell=tell)
            except Refused as error:
                under_way.failure = error
                raise

        migration_fn.__name__ = function.__name__
        return migration_fn

    def _check_deferred(self, under_way: StepUnderWay) -> None:
        """Have deferred constraints looked at now, where a lock that is not had is told, and waited for, as any other.

        At the commit nobody could say which revision's statement it was, and nothing would be tried again.
        """
        if under_way.changed_rows and self.raw.info.transaction_status == TRANSACTION_STATUS_INTRANS:
            with self.raw.cursor(cursor_factory=PlainCursor) as cursor, self.locks.sending(self.raw, LOOK, None):
                cursor.execute(LOOK)

    def _attempts(self, under_way: StepUnderWay, function: Callable[[], None]) -> None:
        """Run the revision's function: the one place where it is called, and may be called again."""
        try:
            with ends_forked_children(), kept_open():
                self.retries.run(under_way, self.connection, function)
        except (KeyboardInterrupt, Exception) as error:
            under_way.failure = error
            raise
        except BaseException as error:  # which Alembic, asyncio or env.py would take for its own
            under_way.failure = RuntimeError(_raised(error))
            raise under_way.failure.with_traceback(error.__traceback__) from error

    def end_step(self, under_way: StepUnderWay) -> None:
        """A step is committed."""
        self._heads_before.append(self.current)
        self.current = self.next_heads
        self._finish_step(under_way, under_way.outcome("done"))

    def agree_with(self, done: frozenset[str]) -> None:
        """Believe the ledger when the migration's connection was lost: a commit's answer may have been lost with it, or
        a server that crashed may have lost the commit itself.

        Args:
            done: the revisions that the ledger has as done by this run.
        """
        if self.under_way is not None and self.under_way.revision in done:
            self.end_step(self.under_way)
        kept = [outcome for outcome in self.outcomes if outcome.outcome == "done" and outcome.revision in done]
        lost = self.outcomes[len(kept) :]
        if lost:
            self.current = self._heads_before[len(kept)]
            self.outcomes = [*kept, *(replace(outcome, outcome="failed", error=LOST) for outcome in lost)]

    def _finish_step(self, under_way: StepUnderWay, outcome: StepOutcome) -> None:
        self.outcomes.append(outcome)
        self.run.progress.step_finished(under_way.step, outcome)
        self.under_way = None

    def failed_row(self, error: str) -> list[Any] | None:
        """The row that the ledger gets for the revision under way, which failed."""
        return None if self.under_way is None else self.under_way.ledger_row(self.run_id, "failed", error)

    def fail_step(self, error: str) -> None:
        """The revision under way failed."""
        if self.under_way is not None:
            step = self.under_way.step
            self._finish_step(self.under_way, self.under_way.outcome("failed", error))
            self.hooks.after_revision(step, self.outcomes[-1], self.current)

    def check_ended(self) -> None:
        """Raise what a revision failed with, or a hook objected, when env.py kept it to itself."""
        if (refusal := self.hooks.refusal or self.guarding.refusal) is not None:
            raise refusal
        if self.under_way is not None:
            raise self.under_way.failure or EnvironmentRefused(
                "env.py ended the run, and kept the reason to itself.",
                effect=f"Revision {self.under_way.revision} was not recorded; what stands before it stays.",
                cure="Let env.py raise what context.run_migrations() raises, then run the command again.",
            )

    def where_it_failed(self, error: BaseException) -> str:
        """What failed, with the line of the revision where one was under way."""
        if isinstance(error, HookFailed):
            return str(error)
        if self.under_way is None:
            return describe_failure(error)
        # Also where it was Alembic's own statement, after the revision's function.
        self.under_way.refusal = self.under_way.refusal or self.retries.refusal_behind(error)
        return self.under_way.where_it_failed(error)

    def step_outcomes(self, *, complete: bool) -> tuple[StepOutcome, ...]:
        """How each step ended; where the run is not complete, the others are `not-run`."""
        if complete:
            return tuple(self.outcomes)
        ran = {outcome.revision for outcome in self.outcomes}
        steps = self.run.survey.plan.steps
        return (*self.outcomes, *(StepOutcome(each.revision, "not-run") for each in steps if each.revision not in ran))


def _raised(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the revision calls sys.exit({error.code!r})"
    return f"the revision raises {type(error).__name__}: {first_line(error)}"
