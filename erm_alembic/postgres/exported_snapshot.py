"""A snapshot of a database that other transactions read in: what was committed before it, and nothing after."""

from __future__ import annotations

from typing import Any

import psycopg2

__all__ = ["ExportedSnapshot", "begin_in_snapshot", "enter_snapshot", "functions_and_views"]

# The transaction that holds a snapshot is idle for as long as it is needed.
KEEP_OPEN = """
    SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings
    WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout', 'idle_session_timeout')
"""
# What a classifier of statements has to know anew. Whoever replaces a function's body changes none of it.
FUNCTIONS_AND_VIEWS = """
    SELECT (SELECT pg_catalog.max(oid) FROM pg_catalog.pg_proc),
           (SELECT pg_catalog.max(oid) FROM pg_catalog.pg_class
            WHERE relkind IN ('v', 'm', 'f') OR relpersistence <> 'p'),
           (SELECT pg_catalog.max(oid) FROM pg_catalog.pg_policy)
"""


class ExportedSnapshot:
    """A snapshot that lives until it is closed, on a connection of its own.

    Everything that was committed before the call is in it; it is told from what is committed afterwards by the log too:
    between both stands a commit of nothing.

    Args:
        dsn: the address of the database, as libpq takes it.

    Raises:
        psycopg2.Error: the server cannot be reached.
    """

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg2.connect(dsn, application_name="erm lagging replica")
        try:
            self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                cursor.execute(KEEP_OPEN)
                cursor.execute("SELECT pg_catalog.pg_current_xact_id()")
                cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                cursor.execute("SELECT pg_catalog.pg_export_snapshot()")
                row = cursor.fetchone()
        except BaseException:
            self._connection.close()
            raise
        self.name: str = row[0] if row else ""

    def close(self) -> None:
        """Let go of it; whoever reads in it already goes on."""
        self._connection.close()


def begin_in_snapshot(cursor: Any, name: str) -> None:
    """Begin a transaction on a connection without one that reads in a snapshot, and can write nothing.

    Args:
        cursor: of any driver.
        name: the snapshot's.
    """
    cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    enter_snapshot(cursor, name)


def enter_snapshot(cursor: Any, name: str) -> None:
    """Let a transaction that has just begun, with REPEATABLE READ, read in a snapshot, and write nothing.

    Args:
        cursor: of any driver.
        name: the snapshot's.
    """
    cursor.execute("SET TRANSACTION READ ONLY")
    # A statement takes no parameters here; the name is PostgreSQL's own: hexadecimal numbers with dashes.
    cursor.execute("SET TRANSACTION SNAPSHOT '{}'".format(name.replace("'", "")))


def functions_and_views(cursor: Any) -> tuple[Any, ...]:
    """Something that is other once a function, a view or a policy was made.

    Args:
        cursor: of psycopg2.
    """
    cursor.execute(FUNCTIONS_AND_VIEWS)
    return tuple(cursor.fetchone() or ())
