"""Steps -> database: one deployer at a time, one transaction a revision, every run in the ledger.

A revision's row in the ledger is written in the revision's own transaction: both are there, or neither is.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import psycopg2
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.checks.overrides import Override
from erm_alembic.errors import ErmError, Interrupted, Refused
from erm_alembic.execute.failure import describe_failure
from erm_alembic.execute.observe import Observer
from erm_alembic.execute.progress import Progress
from erm_alembic.execute.provenance import git_commit
from erm_alembic.execute.signals import SignalWatch, Stopped, cancel_on_signal
from erm_alembic.ledger.encoding import Source, fitted
from erm_alembic.ledger.store import Ledger, open_ledger
from erm_alembic.plan.build import Survey, choose_pending
from erm_alembic.plan.model import Outcome, Step, StepOutcome
from erm_alembic.postgres.deploy_lock import acquire_deploy_lock
from erm_alembic.postgres.intercept import GatedConnection, gated_engine
from erm_alembic.revisions.environment import RevisionStep, run_environment
from erm_alembic.revisions.origin import line_in_traceback
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.steps import PendingRevision, recorded_but_unknown
from erm_alembic.target import Target

__all__ = ["Run", "execute"]

NOTHING_CHANGED = "Nothing was changed."


@dataclass
class Run:
    """One apply or rollback on its way through the plan.

    Args:
        target: the database.
        project: the Alembic project.
        survey: the plan and what it was made from.
        mode: `apply` or `rollback`.
        progress: who watches.
        overrides: the rules that were let pass, for the ledger.
    """

    target: Target
    project: AlembicProject
    survey: Survey
    mode: Literal["apply", "rollback"]
    progress: Progress
    overrides: tuple[Override, ...] = ()
    outcomes: list[StepOutcome] = field(default_factory=list)
    current: tuple[str, ...] = ()
    under_way: PendingRevision | None = None
    started: float = 0.0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    run_id: int = 0
    next_heads: tuple[str, ...] = ()
    failure: Exception | None = None

    def __post_init__(self) -> None:
        self.current = self.survey.plan.current
        self.steps = {step.revision: step for step in self.survey.plan.steps}
        self.observer = Observer(self._statement)

    def _statement(self, text: str, line: int | None) -> None:
        assert self.under_way is not None
        self.progress.statement(self.steps[self.under_way.facts.revision], text, line)

    def work(self, raw: GatedConnection, ledger: Ledger, watch: SignalWatch) -> Callable[..., Iterable[RevisionStep]]:
        """The work that env.py's run_migrations() does: each step, recorded in its own transaction."""

        def run_steps(heads: tuple[str, ...], _context: object) -> Iterable[RevisionStep]:
            pending = self._still_pending(heads, ledger)
            for number, each in enumerate(pending, start=1):
                self._begin(each, number, len(pending))
                each.step.migration_fn = self._recorded(each, raw, ledger, watch)
                yield each.step
                self._done()

        return run_steps

    def _still_pending(self, heads: tuple[str, ...], ledger: Ledger) -> list[PendingRevision]:
        """Read again under the lock what is pending; another deployer may have done all or part of it."""
        if recorded_but_unknown(self.survey.scripts, heads):
            raise _changed_since_plan(heads)
        pending = choose_pending(self.project, self.survey.scripts, self.survey.request, heads, ledger.applied_order())
        wanted = [step.revision for step in self.survey.plan.steps]
        found = [each.facts.revision for each in pending]
        unchanged = found == wanted or (self.mode == "apply" and found == wanted[len(wanted) - len(found) :])
        if not unchanged:
            raise _changed_since_plan(heads)
        self.current = tuple(sorted(heads))
        return pending

    def _begin(self, pending: PendingRevision, number: int, total: int) -> None:
        self.under_way = pending
        self.started, self.started_at = time.monotonic(), datetime.now(UTC)
        self.observer.begin(pending.file)
        self.progress.step_started(self._step(pending), number, total)

    def _step(self, pending: PendingRevision) -> Step:
        return self.steps[pending.facts.revision]

    def _recorded(
        self, pending: PendingRevision, raw: GatedConnection, ledger: Ledger, watch: SignalWatch
    ) -> Callable[..., None]:
        run = pending.step.migration_fn

        def migration_fn(**kw: Any) -> None:
            try:
                run(**kw)
            except SystemExit as error:
                self.failure = RuntimeError(f"the revision calls sys.exit({error.code!r})")
                raise self.failure.with_traceback(error.__traceback__) from error
            except Exception as error:
                self.failure = error
                raise
            watch.check()
            self.observer.end()
            _insert_as_login_role(raw, ledger.revision_insert(), self._row(pending, "done", None))

        migration_fn.__name__ = run.__name__
        return migration_fn

    def _row(self, pending: PendingRevision, outcome: str, error: str | None) -> list[Any]:
        facts = pending.facts
        direction = self.survey.plan.direction
        return [
            self.run_id,
            facts.revision,
            facts.message,
            direction,
            self.started_at,
            self._elapsed_ms(),
            self.observer.statements,
            facts.path,
            Source(facts.source),
            facts.source_hash,
            outcome,
            error,
        ]

    def _elapsed_ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)

    def _done(self) -> None:
        assert self.under_way is not None
        self.current = self.next_heads
        self._finish_step(
            StepOutcome(self.under_way.facts.revision, "done", self._elapsed_ms(), self.observer.statements)
        )

    def _finish_step(self, outcome: StepOutcome) -> None:
        assert self.under_way is not None
        self.outcomes.append(outcome)
        self.progress.step_finished(self._step(self.under_way), outcome)
        self.under_way = None

    def fail_step(self, error: str) -> list[Any] | None:
        """The revision under way failed: its outcome, and the row that the ledger gets for it."""
        if self.under_way is None:
            return None
        row = self._row(self.under_way, "failed", error)
        self._finish_step(
            StepOutcome(self.under_way.facts.revision, "failed", self._elapsed_ms(), self.observer.statements, error)
        )
        return row

    def check_ended(self) -> None:
        """Raise what a revision failed with, when env.py kept it to itself."""
        if self.under_way is not None:
            raise self.failure or RuntimeError("env.py ended the run, and kept the reason to itself")

    def where_it_failed(self, error: BaseException) -> str:
        """What failed, with the line of the revision that sent the statement."""
        said = describe_failure(error, self.observer.last_parameters)
        if self.under_way is None:
            return said
        line = line_in_traceback(error, self.under_way.file) or self.observer.last_line
        place = self.under_way.facts.path if line is None else f"{self.under_way.facts.path}:{line}"
        return f"{place}: {said}"


def execute(run: Run, *, wait: float, accept_environment: bool) -> Outcome:
    """Run a plan's steps.

    Args:
        run: the plan and where it goes.
        wait: how long to wait for the deploy lock, in seconds.
        accept_environment: whether a database that was deployed under another environment is accepted.

    Raises:
        LockNotHad: another deployer holds the lock.
        Refused: the database changed since it was planned, or belongs to another environment.
        TargetError: the database cannot be reached, or the ledger cannot be created.
        Interrupted: a signal arrived before the run began; one that arrives later is in the outcome.
    """
    begun = time.monotonic()
    try:
        with cancel_on_signal() as watch, contextlib.closing(run.target.connect(f"erm {run.mode}")) as raw:
            raw.autocommit = True
            with run.target.reported():
                acquire_deploy_lock(raw, wait, run.progress.note)
            with open_ledger(run.target) as ledger, run.project.entered():
                with run.target.reported():
                    _prepare_ledger(run, ledger, raw, accept_environment)
                result, error = _guarded(run, raw, ledger, watch)
    except Stopped as stopped:
        raise _stopped_before(stopped) from stopped
    not_run = [
        StepOutcome(step.revision, "not-run")
        for step in run.survey.plan.steps
        if step.revision not in {outcome.revision for outcome in run.outcomes}
    ]
    return Outcome(
        result=result,
        run_id=run.run_id,
        steps=(*run.outcomes, *(not_run if result != "done" else ())),
        current=run.current,
        duration_ms=round((time.monotonic() - begun) * 1000),
        error=error,
    )


def _prepare_ledger(run: Run, ledger: Ledger, raw: GatedConnection, accept_environment: bool) -> None:
    ledger.create()
    environment = run.target.settings.environment
    known = ledger.environments()
    if known and environment not in known and not accept_environment:
        raise Refused(
            f"This database was deployed as {', '.join(sorted(known))}; you asked for --env {environment}.",
            effect=NOTHING_CHANGED,
            cure="Check that the URL is the one you mean. If it is, say so once: --accept-environment.",
        )
    run.run_id = ledger.start_run(
        mode=run.mode,
        environment=environment,
        role=run.target.role,
        backend_pid=raw.info.backend_pid,
        git_commit=git_commit(run.project.root),
        overrides=[(override.rule, override.reason) for override in run.overrides],
    )


Ending = tuple[Literal["done", "failed", "interrupted"], str | None]


def _guarded(run: Run, raw: GatedConnection, ledger: Ledger, watch: SignalWatch) -> Ending:
    """Run the steps; whatever ends them early becomes an outcome, and the server has rolled the revision back."""
    ending: Ending = ("done", None)
    refusal: ErmError | None = None
    try:
        _run_environment(run, raw, ledger, watch)
        watch.check()
        run.check_ended()
    except Stopped as stopped:
        ending = ("interrupted", f"stopped by {stopped}")
    except ErmError as error:
        ending, refusal = ("failed", error.what), error
    except Exception as error:
        ending = ("failed", run.where_it_failed(error))
    with watch.held():
        if watch.received is not None and ending[0] != "done":
            ending, refusal = ("interrupted", f"stopped by {Stopped(watch.received)}"), None
        _write_end(run, ledger, *ending)
    if refusal is not None:
        raise refusal
    return ending


def _run_environment(run: Run, raw: GatedConnection, ledger: Ledger, watch: SignalWatch) -> None:
    target = run.target

    def connect() -> GatedConnection:
        another = target.connect(f"erm {run.mode}")
        target.set_role(another)
        another.gate = run.observer
        return another

    def on_heads(heads: frozenset[str]) -> None:
        run.next_heads = tuple(sorted(heads))

    with target.reported():
        target.set_role(raw)
    run.observer.check = watch.check
    raw.autocommit = False
    raw.gate = run.observer
    engine = gated_engine(raw, target.url.sqlalchemy_url("postgresql+psycopg2"), connect)
    with engine.connect() as connection:
        connection.rollback()
        run_environment(
            run.project,
            run.survey.scripts,
            run.project.config(),
            connection,
            target.url,
            run.work(raw, ledger, watch),
            destination=run.survey.request.destination,
            read_only=False,
            metadata=target.settings.migrations.metadata,
            on_heads=on_heads,
        )


def _insert_as_login_role(raw: GatedConnection, statement: Any, values: list[Any]) -> None:
    """The ledger belongs to the login role; a revision may act as another one, and goes on doing so."""
    with raw.cursor(cursor_factory=PlainCursor) as cursor:
        cursor.execute("SELECT pg_catalog.current_setting('role')")
        row = cursor.fetchone()
        role = row[0] if row else "none"
        cursor.execute("SELECT pg_catalog.set_config('role', 'none', true)")
        cursor.execute(statement, fitted(values, raw))
        cursor.execute("SELECT pg_catalog.set_config('role', %s, true)", [role])


def _write_end(run: Run, ledger: Ledger, result: str, error: str | None) -> None:
    """Write how the run ended, on the ledger's own connection; the migration's may have died with the run."""
    failed = None if result == "done" else run.fail_step(error or result)
    try:
        _write_rows(run, ledger, failed, result, error)
    except (ErmError, psycopg2.Error):
        # The ledger's connection died too: one more try, for a server that is back already.
        try:
            with open_ledger(run.target) as fresh:
                _write_rows(run, fresh, failed, result, error)
        except (ErmError, psycopg2.Error):
            run.progress.note(f"The end of run {run.run_id} could not be written to the ledger: {result}.")


def _write_rows(run: Run, ledger: Ledger, failed: list[Any] | None, result: str, error: str | None) -> None:
    if failed is not None:
        ledger.write_revision(failed)
    ledger.finish_run(run.run_id, result, error)


def _stopped_before(stopped: Stopped) -> Interrupted:
    return Interrupted(
        f"Interrupted by {stopped}.",
        signal_number=stopped.signal_number,
        effect=NOTHING_CHANGED,
        cure="Run the command again.",
    )


def _changed_since_plan(heads: tuple[str, ...]) -> Refused:
    return Refused(
        f"The database changed after it was planned: it now records {', '.join(sorted(heads)) or 'no revision'}.",
        effect=NOTHING_CHANGED,
        cure="Plan again; another deployment has just run.",
    )
