"""What the executor tells while it runs: the seam between a run and whoever watches it."""

from __future__ import annotations

from typing import Protocol

from erm_alembic.planning.model import Step, StepOutcome

__all__ = ["Progress", "SilentProgress"]


class Progress(Protocol):
    """Watches a run. It is called on the executor's thread and must neither block nor raise."""

    def note(self, message: str) -> None:
        """Something to know that is not about one statement, such as who holds the deploy lock."""

    def step_started(self, step: Step, number: int, total: int) -> None:
        """A step begins; `number` counts from 1 up to `total`."""

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        """A statement is about to be sent; `line` is its line in the revision's file, where it is known."""

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """A step ended, well or badly."""


class SilentProgress:
    """Watches nothing: the progress of Python callers who want none.

    Example:
        >>> SilentProgress().note("waiting for the deploy lock")
    """

    def note(self, message: str) -> None:
        """Ignore the message."""

    def step_started(self, step: Step, number: int, total: int) -> None:
        """Ignore the step."""

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        """Ignore the statement."""

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """Ignore the outcome."""
