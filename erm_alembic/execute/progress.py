"""What the executor tells while it runs: the seam between a run and whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from erm_alembic.planning.model import Outcome, Plan, Step, StepOutcome

__all__ = ["NotesOnly", "Progress", "SeveralProgress", "SilentProgress", "UnfailingProgress"]


class Progress(Protocol):
    """Watches a run; it must neither block nor raise.

    It is called on the executor's thread; but what a statement waits for is told by another one, while the executor's
    waits for the server. It is never called twice at once.
    """

    def run_started(self, plan: Plan, mode: str) -> None:
        """A run is about to take the deploy lock; `mode` is what the ledger calls it."""

    def note(self, message: str) -> None:
        """Something to know that is not about one statement, such as who holds the deploy lock."""

    def step_started(self, step: Step, number: int, total: int) -> None:
        """A step begins; `number` counts from 1 up to `total`."""

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        """A statement is about to be sent; `line` is its line in the revision's file, where it is known."""

    def statement_finished(self, step: Step, sql: str, line: int | None, error: BaseException | None) -> None:
        """The statement that was told last has ended; `error` may quote rows, and is None where it succeeded."""

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """A step ended, well or badly."""

    def failed(self, error: BaseException) -> None:
        """The run failed with this, for whoever shows where it came from: what it says may quote rows.

        The outcome has it in words that may be shown.
        """

    def run_finished(self, outcome: Outcome) -> None:
        """The run ended, however it did; one that was refused before it began is told too."""


class SilentProgress:
    """Watches nothing: the progress of Python callers who want none.

    Example:
        >>> SilentProgress().note("waiting for the deploy lock")
    """

    def run_started(self, plan: Plan, mode: str) -> None:
        """Ignore the beginning."""

    def note(self, message: str) -> None:
        """Ignore the message."""

    def step_started(self, step: Step, number: int, total: int) -> None:
        """Ignore the step."""

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        """Ignore the statement."""

    def statement_finished(self, step: Step, sql: str, line: int | None, error: BaseException | None) -> None:
        """Ignore its end."""

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """Ignore the outcome."""

    def failed(self, error: BaseException) -> None:
        """Ignore the error."""

    def run_finished(self, outcome: Outcome) -> None:
        """Ignore the end."""


class NotesOnly(SilentProgress):
    """Hands on notes, the beginning and the end: for a run that sends nothing of the steps that it records.

    Args:
        watched: the progress that the caller gave.

    Example:
        >>> NotesOnly(SilentProgress()).note("waiting for the deploy lock")
    """

    def __init__(self, watched: Progress) -> None:
        self._watched = watched

    def run_started(self, plan: Plan, mode: str) -> None:
        """Hand the beginning on."""
        self._watched.run_started(plan, mode)

    def note(self, message: str) -> None:
        """Hand the message on."""
        self._watched.note(message)

    def run_finished(self, outcome: Outcome) -> None:
        """Hand the end on."""
        self._watched.run_finished(outcome)


class UnfailingProgress:
    """Hands everything on until that fails, then nothing more: a closed terminal must not decide how a run ends.

    A progress that was written for an older erm is not told what it has no method for.

    Args:
        watched: the progress that the caller gave.
    """

    def __init__(self, watched: Progress) -> None:
        self._watched: Progress | None = watched

    def run_started(self, plan: Plan, mode: str) -> None:
        """Hand the beginning on."""
        if hasattr(self._watched, "run_started"):
            self._try(lambda watched: watched.run_started(plan, mode))

    def note(self, message: str) -> None:
        """Hand the message on."""
        self._try(lambda watched: watched.note(message))

    def step_started(self, step: Step, number: int, total: int) -> None:
        """Hand the step on."""
        self._try(lambda watched: watched.step_started(step, number, total))

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        """Hand the statement on."""
        self._try(lambda watched: watched.statement(step, sql, line))

    def statement_finished(self, step: Step, sql: str, line: int | None, error: BaseException | None) -> None:
        """Hand its end on."""
        if hasattr(self._watched, "statement_finished"):
            self._try(lambda watched: watched.statement_finished(step, sql, line, error))

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """Hand the outcome on."""
        self._try(lambda watched: watched.step_finished(step, outcome))

    def failed(self, error: BaseException) -> None:
        """Hand the error on."""
        if hasattr(self._watched, "failed"):
            self._try(lambda watched: watched.failed(error))

    def run_finished(self, outcome: Outcome) -> None:
        """Hand the end on."""
        if hasattr(self._watched, "run_finished"):
            self._try(lambda watched: watched.run_finished(outcome))

    def _try(self, tell: Callable[[Progress], None]) -> None:
        if self._watched is None:
            return
        try:
            tell(self._watched)
        except Exception:
            self._watched = None


class SeveralProgress:
    """Hands everything on to several who watch, each of whom may fail for itself; the end is told once, of what began.

    What ends is told in the reverse order: what the first one opened still holds while the others hear of its end.

    Args:
        watched: all of them.

    Example:
        >>> SeveralProgress(SilentProgress(), SilentProgress()).note("waiting for the deploy lock")
    """

    def __init__(self, *watched: Progress) -> None:
        self._watched = tuple(UnfailingProgress(each) for each in watched)
        self._is_under_way = False

    def run_started(self, plan: Plan, mode: str) -> None:
        """Hand the beginning on."""
        self._is_under_way = True
        for each in self._watched:
            each.run_started(plan, mode)

    def note(self, message: str) -> None:
        """Hand the message on."""
        for each in self._watched:
            each.note(message)

    def step_started(self, step: Step, number: int, total: int) -> None:
        """Hand the step on."""
        for each in self._watched:
            each.step_started(step, number, total)

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        """Hand the statement on."""
        for each in self._watched:
            each.statement(step, sql, line)

    def statement_finished(self, step: Step, sql: str, line: int | None, error: BaseException | None) -> None:
        """Hand its end on."""
        for each in reversed(self._watched):
            each.statement_finished(step, sql, line, error)

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """Hand the outcome on."""
        for each in reversed(self._watched):
            each.step_finished(step, outcome)

    def failed(self, error: BaseException) -> None:
        """Hand the error on."""
        for each in self._watched:
            each.failed(error)

    def run_finished(self, outcome: Outcome) -> None:
        """Hand the end on, unless it was told before."""
        if not self._is_under_way:
            return
        self._is_under_way = False
        for each in reversed(self._watched):
            each.run_finished(outcome)
