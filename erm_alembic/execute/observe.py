"""The gate of an applying session: counts the statements, shows the one under way, remembers where one failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from erm_alembic.postgres.intercept import GatedCursor, Send
from erm_alembic.revisions.recording.call_stack import calling_line, sent_by_sqlalchemy

__all__ = ["Observer"]


class Observer:
    """Sees each statement on its way to the server.

    Args:
        show: told the text and the line of each statement before it is sent.

    `check` is called before each statement, and raises when the run must not go on.
    """

    def __init__(self, show: Callable[[str, int | None], None]) -> None:
        self._show = show
        self.check: Callable[[], None] = lambda: None
        self.path: str | None = None
        self.statements = 0
        self.last_line: int | None = None
        self.last_parameters: Sequence[Any] = ()

    def begin(self, path: str) -> None:
        """A revision begins: its statements are counted from zero."""
        self.path = path
        self.statements = 0
        self.last_line, self.last_parameters = None, ()

    def end(self) -> None:
        """The revision's own statements are over; what follows is bookkeeping."""
        self.path = None

    def pass_through(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        self.check()
        if self.path is not None and not (cursor.context is None and sent_by_sqlalchemy()):
            self.statements += 1
            self.last_line, self.last_parameters = calling_line(self.path), parameters
            self._show(sql, self.last_line)
        send()

    def rowcount(self, cursor: GatedCursor) -> int:
        return -1
