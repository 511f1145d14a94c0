"""What a repair asks of a database, and what it does there: the version table's column, indexes, idle sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from erm_alembic.postgres.deploy_lock import LOCK_CLASS, LOCK_OBJECT

__all__ = ["IdleHolder", "end_session", "idle_holder", "index_statement", "version_width", "widen_statement"]

WIDTH = """
    SELECT CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 END FROM pg_catalog.pg_attribute a
     WHERE a.attrelid = pg_catalog.to_regclass(%s) AND a.attname = 'version_num' AND NOT a.attisdropped
       AND a.atttypid IN ('pg_catalog.varchar'::regtype, 'pg_catalog.bpchar'::regtype)
"""
# A run that is at work is idle between two statements for moments only.
IDLE = """
    SELECT a.pid, coalesce(a.application_name, ''), a.state,
           pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.state_change)
      FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.objsubid = 2
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
       AND a.state IN ('idle', 'idle in transaction', 'idle in transaction (aborted)')
       AND a.state_change < pg_catalog.clock_timestamp() - %s * interval '1 second'
     LIMIT 1
"""
INDEX = """
    SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
     WHERE n.nspname || '.' || c.relname = %s AND NOT i.indisvalid
"""


@dataclass(frozen=True)
class IdleHolder:
    """A session that holds the deploy lock and does nothing.

    Args:
        pid: its server process.
        application: its application name.
        state: `idle` or `idle in transaction`.
        seconds: since when it does nothing.
    """

    pid: int
    application: str
    state: str
    seconds: float


def version_width(cursor: Any, table: str) -> int | None:
    """How many characters a revision's id may have in the version table; None for any number, or no such table.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
        table: the version table with its schema, quoted where it must be.
    """
    cursor.execute(WIDTH, [table])
    row = cursor.fetchone()
    return None if row is None else row[0]


def widen_statement(table: str, width: int) -> str:
    """The statement that lets the version table hold longer ids; it rewrites nothing.

    Args:
        table: the version table with its schema, quoted where it must be.
        width: how many characters.
    """
    return f"ALTER TABLE {table} ALTER COLUMN version_num TYPE varchar({int(width)})"


def idle_holder(cursor: Any, seconds: float) -> IdleHolder | None:
    """The session that holds the deploy lock of this database and has done nothing for long; None where none does.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
        seconds: how long is long.
    """
    cursor.execute(IDLE, [LOCK_CLASS, LOCK_OBJECT, seconds])
    row = cursor.fetchone()
    return None if row is None else IdleHolder(*row)


def end_session(cursor: Any, pid: int) -> bool:
    """End a session of the server; whether it was there.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
        pid: its server process.
    """
    cursor.execute("SELECT pg_catalog.pg_terminate_backend(%s)", [pid])
    return bool(cursor.fetchone()[0])


def index_statement(cursor: Any, name: str, *, rebuild: bool) -> str | None:
    """The statement that drops an INVALID index, or builds it again; None where it is not there, or not just one.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
        name: its name behind its schema's, as `InvalidIndex` tells them, unquoted.
        rebuild: whether it is to be built again.
    """
    cursor.execute(INDEX, [name])
    rows = cursor.fetchall()
    if len(rows) != 1:
        return None
    verb = "REINDEX INDEX CONCURRENTLY {}" if rebuild else "DROP INDEX CONCURRENTLY IF EXISTS {}"
    return sql.SQL(verb).format(sql.Identifier(*rows[0])).as_string(cursor)
