"""One run on its way through a plan: one transaction a revision, each with its row in the ledger.

A revision's row in the ledger is written in the revision's own transaction: both are there, or neither is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.checks.overrides import Override
from erm_alembic.config.redaction import first_line
from erm_alembic.errors import Refused
from erm_alembic.execute.failure import describe_failure
from erm_alembic.execute.observe import Observer
from erm_alembic.execute.progress import Progress, UnfailingProgress
from erm_alembic.execute.signals import SignalWatch
from erm_alembic.ledger.encoding import Source, fitted
from erm_alembic.ledger.store import Ledger
from erm_alembic.planning.build import Survey, choose_pending
from erm_alembic.planning.model import Step, StepOutcome
from erm_alembic.postgres.deploy_lock import lock_holder, still_held, try_deploy_lock
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.revisions.environment import RevisionStep
from erm_alembic.revisions.forked import ends_forked_children
from erm_alembic.revisions.graph import unknown_revisions
from erm_alembic.revisions.kept_open import kept_open
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.recording.call_stack import line_in_traceback
from erm_alembic.revisions.steps import PendingRevision
from erm_alembic.target import Target

__all__ = ["Run"]

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
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self.progress = UnfailingProgress(self.progress)
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
                step = each.step
                assert step is not None  # or the plan could not be run
                step.migration_fn = self._recorded(step.migration_fn, each, raw, ledger, watch)
                yield step
                self._done()

        return run_steps

    def _still_pending(self, heads: tuple[str, ...], ledger: Ledger) -> list[PendingRevision]:
        """Read again under the lock what is pending; another deployer may have done all or part of it."""
        if unknown_revisions(self.survey.scripts, heads):
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
        self,
        run: Callable[..., Any],
        pending: PendingRevision,
        raw: GatedConnection,
        ledger: Ledger,
        watch: SignalWatch,
    ) -> Callable[..., None]:
        def migration_fn(**kw: Any) -> None:
            try:
                with ends_forked_children(), kept_open():
                    run(**kw)
            except (KeyboardInterrupt, Exception) as error:
                self.failure = error
                raise
            except BaseException as error:  # which Alembic, asyncio or env.py would take for its own
                self.failure = RuntimeError(_raised(error))
                raise self.failure.with_traceback(error.__traceback__) from error
            watch.check()
            self.observer.end()
            self._keep_lock(raw)
            _insert_as_login_role(raw, ledger.revision_insert(), self._row(pending, "done", None))

        migration_fn.__name__ = run.__name__
        return migration_fn

    def _keep_lock(self, raw: GatedConnection) -> None:
        """Take the deploy lock again when the revision freed it."""
        with raw.cursor(cursor_factory=PlainCursor) as cursor:
            if still_held(cursor):
                return
            assert self.under_way is not None
            freed = f"{self.under_way.facts.revision} freed the deploy lock (DISCARD ALL, or pg_advisory_unlock_all())"
            if not try_deploy_lock(cursor):
                self.failure = RuntimeError(f"{freed}, and another deployer has taken it: {lock_holder(cursor)}")
                raise self.failure
        self.progress.note(f"Revision {freed}; it was taken again at once.")

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

    def failed_row(self, error: str) -> list[Any] | None:
        """The row that the ledger gets for the revision under way, which failed."""
        return None if self.under_way is None else self._row(self.under_way, "failed", error)

    def fail_step(self, error: str) -> None:
        """The revision under way failed."""
        if self.under_way is None:
            return
        self._finish_step(
            StepOutcome(self.under_way.facts.revision, "failed", self._elapsed_ms(), self.observer.statements, error)
        )

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


def _raised(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the revision calls sys.exit({error.code!r})"
    return f"the revision raises {type(error).__name__}: {first_line(error)}"


def _insert_as_login_role(raw: GatedConnection, statement: Any, values: list[Any]) -> None:
    """The ledger belongs to the login role; a revision may act as another one, and goes on doing so."""
    with raw.cursor(cursor_factory=PlainCursor) as cursor:
        cursor.execute("SELECT pg_catalog.current_setting('role')")
        row = cursor.fetchone()
        role = row[0] if row else "none"
        cursor.execute("SELECT pg_catalog.set_config('role', 'none', true)")
        cursor.execute(statement, fitted(values, raw))
        cursor.execute("SELECT pg_catalog.set_config('role', %s, true)", [role])


def _changed_since_plan(heads: tuple[str, ...]) -> Refused:
    return Refused(
        f"The database changed after it was planned: it now records {', '.join(sorted(heads)) or 'no revision'}.",
        effect=NOTHING_CHANGED,
        cure="Plan again; another deployment has just run.",
    )
