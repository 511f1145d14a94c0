"""The gate of a rehearsing session: each statement of a revision is run, and what it really did is looked up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary, ref

from psycopg2 import errors
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INTRANS
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.planning.rehearsal import Observed
from erm_alembic.postgres.intercept import GatedConnection, GatedCursor, Send
from erm_alembic.postgres.observed_locks import Held, Relation, counters, held_by, read_relations
from erm_alembic.postgres.text.lexer import READS
from erm_alembic.postgres.text.nature import Nature, nature
from erm_alembic.revisions.recording.call_stack import calling_place, sent_by_sqlalchemy
from erm_alembic.shadow.rehearsal.outside import seen_outside
from erm_alembic.shadow.rehearsal.relations import Change, Relations
from erm_alembic.shadow.rehearsal.told import SeenStatement

__all__ = ["ObservingGate"]

# They only handle the session or the transaction: nothing of them is to be seen in a lock.
OF_THE_SESSION = frozenset(
    [
        *("SET", "RESET", "SHOW", "DISCARD", "LISTEN", "UNLISTEN", "PREPARE", "DEALLOCATE", "LOAD"),
        *("DECLARE", "FETCH", "MOVE", "CLOSE", "BEGIN", "START", "COMMIT", "END"),
        *("SAVEPOINT", "RELEASE", "ROLLBACK", "ROLLBACK TO", "ABORT"),
        *("PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED"),
    ]
)
CHANGES_ROWS = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "WITH"})
EMPTIES = frozenset({"TRUNCATE"})
# What these read, and how, is the planner's choice, which is another one where there are no rows.
PLANNED = READS | CHANGES_ROWS | {"DO", "CALL", "EXECUTE"}


@dataclass
class _Session:
    """What is known of one connection between its statements.

    Args:
        held: what it holds, where nothing was sent since that was looked up.
        in_transaction: whether a statement of the transaction under way was observed.
        counts: what it had counted when that was looked up.
        changed: the relations as its transaction has left them, by OID.
        made: those among them that its transaction has made.
    """

    held: Held | None = None
    in_transaction: bool = False
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    changed: dict[int, Relation] = field(default_factory=dict)
    made: set[int] = field(default_factory=set)


class ObservingGate:
    """Sees each statement of the shadow's sessions.

    Args:
        connect: opens a plain connection to the same database, to look at a statement while it is under way.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._relations = Relations()
        self._sessions: WeakKeyDictionary[Connection, _Session] = WeakKeyDictionary()
        self._path: str | None = None
        self._seen: list[SeenStatement] = []
        self.place: tuple[str, int] | None = None

    def know_origins(self, connection: Connection) -> None:
        """Nothing of the plan has run yet: what there is now, there is on the target, under the same names."""
        with _plain(connection) as cursor:
            self._relations.committed = read_relations(cursor)
        self._relations.origins = {oid: each.name for oid, each in self._relations.committed.items()}

    def begin(self, path: str) -> None:
        """A revision begins.

        Args:
            path: its file, as its code objects name it.
        """
        self._path, self._seen, self.place = path, [], None

    def end(self) -> tuple[SeenStatement, ...]:
        """The revision's own statements are over: what was seen of them."""
        self._path = None
        return tuple(self._seen)

    def pass_through(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        connection = cursor.connection
        session = self._session(connection)
        if self._path is None or (cursor.context is None and sent_by_sqlalchemy()):
            session.held = None
            send()
            return
        self.place = place = calling_place(self._path)
        file, line = place or (self._path, None)
        autocommit = bool(connection.autocommit)
        observed = self._observe(session, cursor, sql, send)
        self._seen.append(SeenStatement(sql, line, None if file == self._path else file, autocommit, observed))

    def rowcount(self, cursor: GatedCursor) -> int:
        return cursor.noted_rowcount

    def _observe(self, session: _Session, cursor: GatedCursor, sql: str, send: Send) -> Observed | None:
        words, connection = nature(sql), cursor.connection
        if cursor.name is not None or words.mixes or (words.again and OF_THE_SESSION.issuperset(words.kinds)):
            session.held = None
            send()
            return None
        if not (connection.autocommit and connection.info.transaction_status == TRANSACTION_STATUS_IDLE):
            return self._observe_inside(session, cursor, words, send)
        if words.outside is not None:
            return self._observe_outside(session, connection, sql, words, send)
        with _plain(connection) as side:
            side.execute("BEGIN")
        try:
            observed = self._observe_inside(session, cursor, words, send)
        except errors.ActiveSqlTransaction:  # it cannot run in one, which its words do not tell
            self._end(connection, "ROLLBACK")
            return self._observe_outside(session, connection, sql, words, send)
        except BaseException:
            self._end(connection, "ROLLBACK")
            raise
        self._end(connection, "COMMIT")
        return observed

    def _end(self, connection: Connection, how: str) -> None:
        if not connection.closed:
            with _plain(connection) as side:
                side.execute(how)
            self._ended(connection, committed=how == "COMMIT")

    def _observe_inside(self, session: _Session, cursor: GatedCursor, words: Nature, send: Send) -> Observed | None:
        connection = cursor.connection
        with _plain(connection) as side:
            if not session.in_transaction:
                # What an earlier transaction has counted may not have been handed in yet.
                session.in_transaction, session.counts = True, counters(side)
            before = session.held or held_by(side)
        session.held = None
        began = time.perf_counter()
        send()
        duration = (time.perf_counter() - began) * 1000
        if connection.info.transaction_status != TRANSACTION_STATUS_INTRANS:
            return None
        with _plain(connection) as side:
            after = session.held = held_by(side)
        known = self._relations.committed
        session.made.update(oid for oid in after.relations if oid not in known)
        counted = _difference(session.counts, after.counts)
        change = Change(self._relations, {**session.changed, **before.relations}, before, after, session.made, counted)
        session.counts.update(after.counts)
        session.changed.update(after.relations)
        empties = EMPTIES.issuperset(words.kinds)  # which gives the tables other files, and copies nothing
        return Observed(
            locks=change.locks(),
            rewrites=() if empties else change.rewrites(),
            builds=() if empties else change.builds(),
            scans=() if empties or not PLANNED.isdisjoint(words.kinds) else change.scans(),
            rows=_rows(words, cursor, change),
            duration_ms=round(duration, 3),
        )

    def _observe_outside(
        self, session: _Session, connection: Connection, sql: str, words: Nature, send: Send
    ) -> Observed:
        session.held = None
        with _plain(connection) as side:
            before = read_relations(side)
        began = time.perf_counter()
        modes = seen_outside(connection, self._connect, sql, words, send)
        duration = (time.perf_counter() - began) * 1000
        with _plain(connection) as side:
            after = read_relations(side)
        held = Held({oid: frozenset(found) for oid, found in modes.items()}, after)
        change = Change(self._relations, before, Held(), held)
        seen = Observed(
            change.locks(), change.rewrites(), change.builds(), change.scans(), duration_ms=round(duration, 3)
        )
        self._relations.committed = after
        return seen

    def _session(self, connection: Connection) -> _Session:
        """What is known of a connection; one that is new tells when its transactions end."""
        session = self._sessions.get(connection)
        if session is None:
            session = self._sessions[connection] = _Session()
            if isinstance(connection, GatedConnection):
                known = ref(connection)  # the connection holds these, and must not hold itself
                connection.on_commit = lambda: self._ended(known(), committed=True)
                connection.on_rollback = lambda: self._ended(known(), committed=False)
        return session

    def _ended(self, connection: Connection | None, *, committed: bool) -> None:
        if connection is None:
            return
        session = self._session(connection)
        if committed:
            self._relations.committed.update(session.changed)
        session.held, session.in_transaction = None, False
        session.made.clear()
        session.changed.clear()


def _difference(before: dict[int, tuple[int, int]], after: Any) -> dict[int, tuple[int, int]]:
    """What was counted between two looks."""
    none = (0, 0)
    return {
        oid: (scans - before.get(oid, none)[0], rows - before.get(oid, none)[1]) for oid, (scans, rows) in after.items()
    }


def _rows(words: Nature, cursor: GatedCursor, change: Change) -> int | None:
    """How many rows a statement says that it touched; where it says nothing (DO), how many the server counted."""
    if len(words.kinds) == 1 and not CHANGES_ROWS.isdisjoint(words.kinds) and words.writes:
        return cursor.rowcount if cursor.rowcount >= 0 else None
    return change.changed_rows() or None


def _plain(connection: Connection) -> Any:
    return connection.cursor(cursor_factory=PlainCursor)
