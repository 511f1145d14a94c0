"""Statements outside a transaction: in one of erm's own where the server lets them, else between two notes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg2
from psycopg2 import errors as pg
from psycopg2 import sql as composed
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.errors import Refused
from erm_alembic.execute.noting import Notes, Sent
from erm_alembic.ledger.progress import DoneStatement
from erm_alembic.postgres.indexes import (
    Index,
    indexes_of,
    leftovers_of_build,
    leftovers_of_rebuild,
    partitions_half_detached,
    relations_named,
)
from erm_alembic.postgres.intercept import GatedConnection, Send
from erm_alembic.postgres.text.nature import DONE_ALREADY, REPEATABLE, WHOLE, concurrent_index, identifiers

__all__ = ["Outside", "Sending"]

Sending = Callable[[Any, str, int | None], AbstractContextManager[None]]

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
        self._notes, self._sending, self._tell = notes, sending, tell

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
        relations, before = self._prepared(sent, what)
        row = self._notes.row(sent, "started", what, relations, before)
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

    def _prepared(self, sent: Sent, what: str) -> tuple[Sequence[int], Sequence[int]]:
        """Remove what an earlier build left in the way; which tables it is about, and which indexes they have."""
        if what not in ("CREATE INDEX", "REINDEX", "DETACH"):
            return (), ()
        names = identifiers(sent.sql)
        with sent.connection.cursor(cursor_factory=PlainCursor) as cursor:
            self.remove(sent.connection, self._leftovers(cursor, sent.sql, what, names), sent.line)
            relations = relations_named(cursor, names)
            if what == "REINDEX":
                return relations, [index.oid for index in leftovers_of_rebuild(cursor, None)]
            return relations, [index.oid for index in indexes_of(cursor, relations)]

    @staticmethod
    def _leftovers(cursor: Any, text: str, what: str, names: list[str]) -> Sequence[Index]:
        if what == "REINDEX":
            everything = not {word.lower() for word in WHOLE[1:]}.isdisjoint(names[:6])
            return leftovers_of_rebuild(cursor, None if everything else names)
        named = concurrent_index(text)
        if named is None or named.index is None:
            return ()
        return leftovers_of_build(cursor, named.table, named.index)

    def remove(self, connection: GatedConnection, leftovers: Sequence[Index], line: int | None = None) -> None:
        """Remove invalid indexes that nobody builds.

        Args:
            connection: the migration's connection, in no transaction.
            leftovers: the indexes.
            line: the line of the statement that they are in the way of.

        Raises:
            Refused: another session is building one of them.
        """
        for index in leftovers:
            if index.builder is not None:
                raise _being_built(index)
            name = composed.Identifier(index.schema, index.name)
            drop = composed.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(name).as_string(connection)
            self._tell(f"Index {index} on {index.table} is INVALID, left by a build that did not end: it is removed.")
            with connection.cursor(cursor_factory=PlainCursor) as cursor, self._sending(connection, drop, line):
                cursor.execute(drop)

    def settle(self, connection: GatedConnection, row: DoneStatement) -> bool | None:
        """What became of a statement that was under way when its run ended.

        Args:
            connection: the migration's connection, in no transaction.
            row: the statement.

        Returns:
            True: it was done. False: nothing of it is left, and it can be sent as if for the first time. None: that
            shows when it is sent again.
        """
        if row.tag not in ("CREATE INDEX", "REINDEX", "DETACH"):
            return None
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            if row.tag == "DETACH":
                return self._finish_detaching(cursor, row)
            if row.tag == "REINDEX":
                left = [index for index in leftovers_of_rebuild(cursor, None) if index.oid not in row.indexes_before]
                self.remove(connection, left, row.line)
                return False
            new = [index for index in indexes_of(cursor, row.relations) if index.oid not in row.indexes_before]
            self.remove(connection, [index for index in new if not index.valid], row.line)
        return any(index.valid for index in new)

    def _finish_detaching(self, cursor: Any, row: DoneStatement) -> bool | None:
        pending = partitions_half_detached(cursor, row.relations)
        for parent, partition in pending:
            self._tell(f"Partition {partition} is half detached from {parent}: that is finished.")
            cursor.execute(f"ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE")
        return True if pending else None


def _what(sent: Sent) -> str:
    """What a statement does that the server would not let run in a transaction although its words did not tell."""
    kind = sent.nature.kinds[0]
    return kind if kind in REPEATABLE else " ".join(identifiers(sent.sql)[:2]).upper()


def _being_built(index: Index) -> Refused:
    return Refused(
        f"Index {index} is being built by another session, pid {index.builder}.",
        effect="It was left alone; the revision did not go on.",
        cure="Wait until that build has ended, and run the command again.",
    )
