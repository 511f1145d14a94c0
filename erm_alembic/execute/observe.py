"""The gate of an applying session: counts the statements, shows the one under way, remembers where one failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from erm_alembic.execute.step import StepUnderWay
from erm_alembic.execute.watch import LockWatch
from erm_alembic.postgres.intercept import GatedCursor, Send
from erm_alembic.revisions.recording.call_stack import calling_place, sent_by_sqlalchemy

__all__ = ["Observer"]


class Observer:
    """Sees each statement on its way to the server.

    Args:
        show: told the step, the text and the line of each statement before it is sent.
        check: called before each statement; raises when the run must not go on.
        locks: watches what each statement waits for.
    """

    def __init__(
        self, show: Callable[[StepUnderWay, str, int | None], None], check: Callable[[], None], locks: LockWatch
    ) -> None:
        self._show = show
        self._check = check
        self._locks = locks
        self._step: StepUnderWay | None = None

    def begin(self, step: StepUnderWay) -> None:
        """A revision begins: its statements are counted."""
        self._step = step

    def end(self) -> None:
        """The revision's own statements are over; what follows is bookkeeping."""
        self._step = None

    def pass_through(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        self._check()
        step, line = self._step, None
        if step is not None and not (cursor.context is None and sent_by_sqlalchemy()):
            step.statements += 1
            step.last_place = place = calling_place(step.file)
            line = None if place is None else place[1]
            step.last_parameters = parameters
            self._show(step, sql, line)
        with self._locks.sending(cursor.connection, sql, line):
            send()

    def rowcount(self, cursor: GatedCursor) -> int:
        return -1
