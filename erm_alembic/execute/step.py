"""The step that a run is at: what it is, since when, and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from erm_alembic.execute.endings.failure import describe_failure, describe_refusal
from erm_alembic.execute.watch import Refusal
from erm_alembic.ledger.encoding import Source
from erm_alembic.ledger.progress import DoneStatement
from erm_alembic.planning.model import Step, StepOutcome
from erm_alembic.planning.request import Direction
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.revisions.recording.call_stack import failed_at
from erm_alembic.revisions.steps import PendingRevision

__all__ = ["StepUnderWay"]


@dataclass
class StepUnderWay:
    """One revision on its way through one direction.

    Args:
        pending: the revision and Alembic's own step.
        step: what the plan says of it.
        direction: `upgrade` or `downgrade`.
        started: the monotonic clock when it began, in seconds.
        started_at: when it began, with time zone.
        statements: how many statements it has sent.
        sending_for: the file and the line for which a statement is sent while the revision's own function does not run.
        last_place: the file and the line of the last one.
        last_parameters: its parameters, to be masked in what a failure says.
        failure: what ended it, also where env.py keeps that to itself.
        tries: how often its function was called.
        refusal: the lock that it did not get in the end.
        changed_rows: whether one of its statements may have changed rows, and left work to its end.
        checkpoint: told the notes that are written with a commit before the revision's end, in its transaction, or none
            when what was noted as begun has ended.
        recorded_ms: how long it took by what the ledger has of it, which is written before its commit.
        sent_what_may_last: whether it called a function whose effects a rollback may not take back, and no note tells.
    """

    pending: PendingRevision
    step: Step
    direction: Direction
    started: float = field(default_factory=time.monotonic)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    statements: int = 0
    sending_for: tuple[str, int] | None = None
    last_place: tuple[str, int] | None = None
    last_parameters: Sequence[Any] = ()
    failure: BaseException | None = None
    tries: int = 0
    refusal: Refusal | None = None
    checkpoint: Callable[[GatedConnection, Sequence[DoneStatement]], None] | None = None
    sent_what_may_last: bool = False
    changed_rows: bool = False
    recorded_ms: int | None = None

    @property
    def revision(self) -> str:
        """The revision's id."""
        return self.step.revision

    @property
    def file(self) -> str:
        """The revision's file as its code objects name it."""
        return self.pending.file

    def outcome(self, outcome: Literal["done", "failed"], error: str | None = None) -> StepOutcome:
        """How it ended, for whoever watches: with the time that the ledger has."""
        took = self.elapsed_ms() if self.recorded_ms is None else self.recorded_ms
        return StepOutcome(self.revision, outcome, took, self.statements, error)

    def ledger_row(self, run_id: int, outcome: Literal["done", "failed"], error: str | None = None) -> list[Any]:
        """How it ended, as the parameters of `Ledger.revision_insert`."""
        facts = self.pending.facts
        self.recorded_ms = self.elapsed_ms()
        return [
            *(run_id, facts.revision, facts.message, self.direction, self.started_at, self.recorded_ms),
            *(self.statements, facts.path, Source(facts.source), facts.source_hash, outcome, error),
        ]

    def elapsed_ms(self) -> int:
        """How long it has been under way, in milliseconds."""
        return round((time.monotonic() - self.started) * 1000)

    def where_it_failed(self, error: BaseException) -> str:
        """What failed, with the line of the revision that sent the statement."""
        place = failed_at(error, self.file, self.pending.facts.path, self.last_place)
        said = describe_failure(error, self.last_parameters) + describe_refusal(self.refusal, self.tries)
        return said if place in said else f"{place}: {said}"
