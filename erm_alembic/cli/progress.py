"""What a run shows while it runs: a bar with the statement under way on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from erm_alembic.cli import console
from erm_alembic.planning.model import Outcome, Plan, Step, StepOutcome
from erm_alembic.postgres.text.passwords import without_passwords
from erm_alembic.render.outcome import step_lines
from erm_alembic.render.safe import clip, one_line
from erm_alembic.render.words import counted, duration

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from erm_alembic.execute.progress import Progress

__all__ = ["LineProgress", "TerminalProgress", "bar_of_steps", "progress"]

STATEMENT_WIDTH = 60
_WORDS = {"done": "done", "failed": "FAILED", "not-run": "not run"}


def _verb(step: Step) -> str:
    return "Rolling back" if step.direction == "downgrade" else "Applying"


def _started(step: Step, number: int, total: int) -> str:
    return f"[{number}/{total}] {_verb(step)} {one_line(step.revision)}  {one_line(step.message)}".rstrip()


def _finished(step: Step, outcome: StepOutcome) -> str:
    word = _WORDS[outcome.outcome]
    facts = f"{duration(outcome.duration_ms)}, {counted(outcome.statements, 'statement')}"
    return f"      {one_line(step.revision)} {word}  ({facts})"


def _under_way(sql: str, line: int | None) -> str:
    place = f"line {line}: " if line is not None else ""
    return place + clip(one_line(" ".join(without_passwords(sql).split())), STATEMENT_WIDTH)


class LineProgress:
    """One line for each thing that begins or ends, on stderr: for logs and CI.

    Args:
        verbose: one line for each statement too.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose

    def run_started(self, plan: Plan, mode: str) -> None:
        """Nothing: the first step says it."""

    def note(self, message: str) -> None:
        """Print the message."""
        console.note(message)

    def step_started(self, step: Step, number: int, total: int) -> None:
        """Print which step begins."""
        console.note(_started(step, number, total))

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        """Print the statement, when wanted."""
        if self._verbose:
            console.note(f"      {_under_way(sql, line)}")

    def statement_finished(self, step: Step, sql: str, line: int | None, error: BaseException | None) -> None:
        """Nothing: the step says how it went."""

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """Print how the step ended."""
        console.note(_finished(step, outcome))

    def failed(self, error: BaseException) -> None:
        """Print where it came from, when wanted; what it says is told in the outcome."""
        if self._verbose:
            console.print_traceback(error, quoting=False)

    def run_finished(self, outcome: Outcome) -> None:
        """Nothing: the outcome is printed."""


class TerminalProgress:
    """A bar over the steps, with the statement under way and the time taken; finished steps stay above it.

    Args:
        bar: rich's bar, which is shown from the first step on.
    """

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, visible=False, start=False)  # planning is no part of the time

    def _print(self, text: str) -> None:
        from rich.text import Text

        from erm_alembic.config.redaction import redact

        with _terminal_may_close():
            self._bar.console.print(Text(redact(text)), soft_wrap=True)

    def _show(self, text: str) -> None:
        from rich.markup import escape

        from erm_alembic.config.redaction import redact

        self._bar.update(self._task, description=escape(redact(text)))

    def run_started(self, plan: Plan, mode: str) -> None:
        """Nothing: the bar comes with the first step."""

    def note(self, message: str) -> None:
        """Print the message above the bar."""
        self._print(one_line(message))

    def step_started(self, step: Step, number: int, total: int) -> None:
        """Show the step in the bar."""
        with _terminal_may_close():
            self._bar.start()
        self._bar.start_task(self._task)
        self._bar.update(self._task, total=total, completed=number - 1, visible=True)
        self._show(f"{_verb(step)} {one_line(step.revision)}")

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        """Show the statement in the bar."""
        self._show(f"{one_line(step.revision)}  {_under_way(sql, line)}")

    def statement_finished(self, step: Step, sql: str, line: int | None, error: BaseException | None) -> None:
        """Nothing: the next statement takes its place."""

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """Advance the bar and leave a line above it."""
        self._bar.advance(self._task)
        self._show(f"{one_line(step.revision)} {_WORDS[outcome.outcome]}")
        self._print(step_lines(outcome, step.message)[0])

    def failed(self, error: BaseException) -> None:
        """Nothing: the outcome tells it, and `-v`, which shows the traceback, has no bar."""

    def run_finished(self, outcome: Outcome) -> None:
        """Nothing: the bar goes when the block ends."""


def bar_of_steps() -> Bar:
    """rich's bar for a run, not shown yet; only the statement gives way where the terminal is narrow."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", table_column=rest),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, expand=True)


@contextmanager
def progress(*, verbose: bool = False) -> Iterator[Progress]:
    """Show a run on stderr for as long as the block lasts.

    Args:
        verbose: plain lines with every statement, even on a terminal.

    Example:
        >>> with progress() as shown:
        ...     shown.step_started  # doctest: +ELLIPSIS
        <bound method ...>
    """
    from erm_alembic.telemetry.sdk import exporting

    with exporting(), _shown(verbose) as shown:
        yield shown


@contextmanager
def _shown(verbose: bool) -> Iterator[Progress]:
    if console.tells_json():
        from erm_alembic.telemetry.events import EventProgress

        yield EventProgress(
            lambda event: console.tell_event(event.name, event.level, event.message, event.members), lambda: verbose
        )
        return
    if verbose or not console.wants_bar(sys.stderr):
        yield LineProgress(verbose=verbose)
        return
    bar = bar_of_steps()
    try:
        yield TerminalProgress(bar)
    finally:
        with _terminal_may_close():
            bar.stop()


@contextmanager
def _terminal_may_close() -> Iterator[None]:
    """Go on without a terminal that went away: what is shown decides nothing about what is done."""
    try:
        yield
    except (OSError, ValueError):
        console.abandon_stderr()
