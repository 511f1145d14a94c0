"""The gate of an applying session: counts the statements, shows the one under way, remembers where one failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from erm_alembic.execute.losing import LossGuard
from erm_alembic.execute.passage import Passage
from erm_alembic.execute.step import StepUnderWay
from erm_alembic.execute.watch import LockWatch
from erm_alembic.postgres.intercept import GatedConnection, GatedCursor, Send
from erm_alembic.revisions.recording.call_stack import calling_place, sent_by_sqlalchemy

__all__ = ["Observer"]

# Wherever the words stand: a round trip too many does no harm.
CHANGES_ROWS = re.compile(r"\b(insert|update|delete|merge|copy|do|call|execute)\b", re.IGNORECASE)


class Observer:
    """Sees each statement on its way to the server.

    Args:
        show: told the step, the text and the line of each statement before it is sent.
        ended: told the same when it has ended, and the error that it ended with.
        check: called before each statement; raises when the run must not go on.
        locks: watches what each statement waits for.
        losses: looks at what the statements of a downgrade take; None where they may take anything.
    """

    def __init__(
        self,
        show: Callable[[StepUnderWay, str, int | None], None],
        ended: Callable[[StepUnderWay, str, int | None, BaseException | None], None],
        check: Callable[[], None],
        locks: LockWatch,
        losses: LossGuard | None = None,
    ) -> None:
        self._show, self._ended = show, ended
        self._check = check
        self._locks = locks
        self._losses = losses
        self._step: StepUnderWay | None = None
        self._passage: Passage | None = None

    def begin(self, step: StepUnderWay, passage: Passage) -> None:
        """A revision begins: its statements are counted, and those that are committed already are not sent."""
        self._step, self._passage = step, passage

    def end(self) -> None:
        """The revision's own statements are over; what follows is bookkeeping."""
        self._step = self._passage = None

    def attend(self, connection: GatedConnection) -> None:
        """See what is sent through a connection, and when it is committed or rolled back."""
        connection.gate = self
        connection.on_commit = lambda: self._committing(connection)
        connection.on_rollback = lambda: self._rolled_back(connection)

    def _committing(self, connection: GatedConnection) -> None:
        if self._passage is not None:
            self._passage.committing(connection)

    def _rolled_back(self, connection: GatedConnection) -> None:
        if self._passage is not None:
            self._passage.rolled_back(connection)

    def pass_through(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        self._check()
        step, passage = self._step, self._passage
        if step is None or passage is None or (cursor.context is None and sent_by_sqlalchemy()):
            with self._locks.sending(cursor.connection, sql, None):
                send()
            return
        step.last_place = place = step.sending_for or calling_place(step.file)
        line = None if place is None else place[1]
        step.last_parameters = parameters
        step.changed_rows = step.changed_rows or CHANGES_ROWS.search(sql) is not None
        shown = False

        def send_watched() -> None:
            with self._locks.sending(cursor.connection, sql, line):
                send()

        def send_shown() -> None:
            nonlocal shown
            if not shown:
                step.statements, shown = step.statements + 1, True
                self._show(step, sql, line)
            try:
                if self._losses is None:
                    send_watched()
                else:
                    self._losses.pass_through(cursor, sql, parameters, line, send_watched)
            except BaseException as error:
                self._ended(step, sql, line, error)
                raise
            self._ended(step, sql, line, None)

        passage.pass_through(cursor, sql, parameters, line, send_shown)

    def rowcount(self, cursor: GatedCursor) -> int:
        return cursor.noted_rowcount
