"""What a release told while it ran, kept for the page of one that fails: who was waited for, what a command wrote."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

from erm_alembic.config.redaction import redact
from erm_alembic.execute.progress import Progress
from erm_alembic.planning.model import Outcome, Plan, Step, StepOutcome

__all__ = ["NotingProgress"]

KEPT = 200


class NotingProgress:
    """Passes on what it is told, and keeps the last of it.

    Args:
        progress: who watches.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.notes: deque[tuple[datetime, str]] = deque(maxlen=KEPT)

    def run_started(self, plan: Plan, mode: str) -> None:
        """Pass it on."""
        self._progress.run_started(plan, mode)

    def note(self, message: str) -> None:
        """Keep it, with its time."""
        self.notes.append((datetime.now(UTC), redact(message)))
        self._progress.note(message)

    def step_started(self, step: Step, number: int, total: int) -> None:
        """Pass it on."""
        self._progress.step_started(step, number, total)

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        """Pass it on; the ledger and the plan have the statements."""
        self._progress.statement(step, sql, line)

    def statement_finished(self, step: Step, sql: str, line: int | None, error: BaseException | None) -> None:
        """Pass it on; what the error says may quote rows."""
        self._progress.statement_finished(step, sql, line, error)

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """Pass it on."""
        self._progress.step_finished(step, outcome)

    def failed(self, error: BaseException) -> None:
        """Pass it on; what it says may quote rows."""
        self._progress.failed(error)

    def run_finished(self, outcome: Outcome) -> None:
        """Pass it on."""
        self._progress.run_finished(outcome)
