"""Statements outside a transaction: in one of erm's own where the server lets them, else between two notes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import psycopg2
from psycopg2 import errors as pg
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.execute.resuming.clearing import Clearing, Sending
from erm_alembic.execute.resuming.noting import Notes, Sent
from erm_alembic.ledger.leftovers import made_by
from erm_alembic.ledger.progress import DoneStatement
from erm_alembic.postgres.indexes import half_detached
from erm_alembic.postgres.intercept import GatedConnection, Send
from erm_alembic.postgres.text.nature import DONE_ALREADY, REPEATABLE, identifiers

__all__ = ["Outside"]

# Where the server's refusal may come after a part of the work.
LEAVES_SOMETHING = frozenset({"CREATE INDEX", "DETACH"})
NOT_IN_TRANSACTION = (pg.ActiveSqlTransaction, pg.InvalidTransactionTermination)


class Outside:
    """Sends the statements of a revision that stand outside a transaction.

    Args:
        notes: where is noted what they do.
        sending: what stands around a statement while the server works on it.
        tell: told of indexes that are removed.
    """

    def __init__(self, notes: Notes, sending: Sending, tell: Callable[[str], None]) -> None:
        self._notes, self._tell = notes, tell
        self._clearing = Clearing(sending, tell)

    def send(self, sent: Sent, send: Send) -> None:
        """Send a statement that was not done before."""
        if sent.nature.outside is not None:
            self.plainly(sent, send, sent.nature.outside)
            return
        with sent.connection.cursor(cursor_factory=PlainCursor) as side:
            side.execute("BEGIN")
            try:
                send()
                self._notes.commit_wrapped(sent)
                return
            except NOT_IN_TRANSACTION:
                side.execute("ROLLBACK")
            except BaseException:
                with contextlib.suppress(psycopg2.Error):
                    side.execute("ROLLBACK")
                raise
        self.plainly(sent, send, _what(sent))

    def plainly(self, sent: Sent, send: Send, what: str) -> None:
        """Send a statement whose effects nobody can undo, between a note that it starts and one that it is done.

        Args:
            sent: the statement.
            send: sends it.
            what: what it does.
        """
        about = self._clearing.before(sent.connection, sent.sql, what, sent.line)
        row = self._notes.row(sent, "started", what, about)
        self._notes.started(sent.connection, row)
        try:
            send()
        except psycopg2.Error:
            if what in REPEATABLE - LEAVES_SOMETHING and not sent.connection.closed:
                with contextlib.suppress(psycopg2.Error):
                    self._notes.undone(sent.connection, row)
            raise
        self._note_end(sent, row)

    def once_more(self, sent: Sent, send: Send, row: DoneStatement) -> None:
        """Send a statement that was under way when an earlier run ended, and that may be done already.

        Args:
            sent: the statement.
            send: sends it.
            row: the note that it started.
        """
        try:
            send()
        except psycopg2.Error as error:
            if error.pgcode not in DONE_ALREADY.get(row.tag, ()):
                raise
            sent.cursor.held_back, sent.cursor.noted_rowcount = True, -1
            self._notes.ended(sent.connection, row, row.tag)
            return
        self._note_end(sent, row)

    def _note_end(self, sent: Sent, row: DoneStatement) -> None:
        columns = len(sent.cursor.description or ())
        self._notes.ended(sent.connection, row, sent.tag or row.tag, sent.cursor.rowcount, columns)

    def settle(self, connection: GatedConnection, row: DoneStatement) -> bool | None:
        """What became of a statement that was under way when its run ended.

        Args:
            connection: the migration's connection, in no transaction.
            row: the statement.

        Returns:
            True: it was done. False: nothing of it is left, and it can be sent as if for the first time. None: that
            shows when it is sent again.
        """
        if row.tag == "DETACH":
            return self._finish_detaching(connection, row)
        if row.tag not in ("CREATE INDEX", "REINDEX"):
            return None
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            new = made_by(cursor, row)
        left = [index for index in new if index.is_leftover]
        self._clearing.remove(connection, left, row.line)
        # Where the server has chosen the name, and somebody else has built one too, nobody knows which one it is.
        return row.tag == "CREATE INDEX" and not left and [index.valid for index in new] == [True]

    def _finish_detaching(self, connection: GatedConnection, row: DoneStatement) -> bool | None:
        if len(row.relations) != 2:
            return None
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            pending = half_detached(cursor, *row.relations)
        if pending is None:
            return None
        parent, partition = pending
        self._tell(f"Partition {partition} is half detached from {parent}: that is finished.")
        self._clearing.send(connection, f"ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE", row.line)
        return True


def _what(sent: Sent) -> str:
    """What a statement does that the server would not let run in a transaction although its words did not tell."""
    kind = sent.nature.kinds[0]
    return kind if kind in REPEATABLE else " ".join(identifiers(sent.sql)[:2]).upper()
