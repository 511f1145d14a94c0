"""What a statement locks that cannot run in a transaction: it is held up in its tracks, and looked at while it waits.

Its locks are gone once it has ended, and it has transactions of its own. So other sessions stand in its way: one has
the tables locked as such statements lock them, so that it asks for its first lock and waits; one reads them, with an
old snapshot, so that it waits once more before it ends, with what it holds throughout; one reads the partitions only,
for what detaches them. Each gives way as soon as another session has seen who waits.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.postgres.intercept import Send
from erm_alembic.postgres.observed_locks import NamedTable, held_by, is_waiting, named_tables, some_tables
from erm_alembic.postgres.text.nature import Nature, identifiers

__all__ = ["seen_outside"]

# The time between two looks, in seconds. What is seen does not depend on it: whoever waits does so until we give way.
PAUSE = 0.002
# They take their tables one after another, each with the same lock.
TABLE_BY_TABLE = frozenset({"VACUUM", "REINDEX", "CLUSTER"})


def seen_outside(
    connection: Connection, connect: Callable[[], Connection], sql: str, words: Nature, send: Send
) -> dict[int, set[str]]:
    """Send a statement, and see the locks that it takes.

    Args:
        connection: the session that it goes through, in no transaction.
        connect: opens a plain connection to the same database.
        sql: its text.
        words: what its words tell.
        send: sends it.

    Returns:
        The modes by the OID of the relation.
    """
    table_by_table = not TABLE_BY_TABLE.isdisjoint(words.kinds)
    with contextlib.ExitStack() as stack:
        watching, barring, reading, beneath = (stack.enter_context(contextlib.closing(connect())) for _ in range(4))
        watching.autocommit = True
        with watching.cursor() as cursor:
            tables = named_tables(cursor, identifiers(sql))
            if not tables and table_by_table:
                tables = some_tables(cursor)
        _bar(barring, tables)
        if "VACUUM" not in words.kinds:  # which waits for no reader, except to give back empty pages, and then in vain
            reading.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
            _read(reading, tables)
            _read(beneath, {oid: table for oid, table in tables.items() if table.is_partition})
        watch = _Watch(watching, connection.info.backend_pid, [barring, reading, beneath])
        stack.enter_context(watch.beside())
        stack.enter_context(_without_lock_timeout(connection))
        send()
    if table_by_table:
        watch.spread(tables)
    return watch.seen


def _bar(connection: Connection, tables: Mapping[int, NamedTable]) -> None:
    """Lock the tables as a concurrent statement does: of these there is one at a time."""
    with connection.cursor() as cursor:
        for table in tables.values():
            if table.is_view:  # which LOCK does not take
                cursor.execute(f"COMMENT ON MATERIALIZED VIEW {table.name} IS NULL")
            else:
                cursor.execute(f"LOCK TABLE ONLY {table.name} IN SHARE UPDATE EXCLUSIVE MODE")


def _read(connection: Connection, tables: Mapping[int, NamedTable]) -> None:
    """Read the tables, by which their indexes are locked too."""
    with connection.cursor() as cursor:
        for table in tables.values():
            only = "" if table.is_view else "ONLY "
            cursor.execute(f"SELECT FROM {only}{table.name} LIMIT 0")


class _Watch:
    """Looks at a session from another one, and takes what stands in its way out of it."""

    def __init__(self, connection: Connection, pid: int, obstacles: list[Connection]) -> None:
        self.seen: dict[int, set[str]] = {}
        self._connection, self._pid, self._obstacles = connection, pid, obstacles
        self._over = threading.Event()

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        """Look for as long as the block lasts."""
        thread = threading.Thread(target=self._look, name="erm rehearsal", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        try:
            with self._connection.cursor() as cursor:
                while not self._over.wait(PAUSE):
                    if is_waiting(cursor, self._pid):
                        self._note(cursor)
                        if self._obstacles:
                            self._obstacles.pop(0).rollback()
        finally:
            for obstacle in self._obstacles:  # whatever happened here, nobody waits for us
                obstacle.close()

    def _note(self, cursor: Any) -> None:
        for oid, modes in held_by(cursor, self._pid).modes.items():
            self.seen.setdefault(oid, set()).update(modes)

    def spread(self, tables: Mapping[int, NamedTable]) -> None:
        """What one of the tables was locked with, each of them was in its turn."""
        modes = {mode for oid in tables for mode in self.seen.get(oid, ())}
        for oid, table in tables.items():
            if not table.is_partitioned:
                self.seen.setdefault(oid, set()).update(modes)


@contextlib.contextmanager
def _without_lock_timeout(connection: Connection) -> Iterator[None]:
    """It waits for us, for a moment, which is none of the revision's business."""
    with connection.cursor(cursor_factory=PlainCursor) as cursor:
        cursor.execute("SELECT pg_catalog.current_setting('lock_timeout')")
        before = cursor.fetchone()
        cursor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        if not connection.closed:
            with connection.cursor(cursor_factory=PlainCursor) as cursor:
                cursor.execute("SELECT pg_catalog.set_config('lock_timeout', %s, false)", before)
