"""What pg_stat_statements says of each statement: how often it ran and how long it took. No values stand in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2 import sql

from erm_alembic.postgres.replication import is_refusal
from erm_alembic.postgres.text.literals import without_literals
from erm_alembic.postgres.text.passwords import without_passwords

__all__ = ["StatementTotal", "Statements", "statement_hashes", "statement_texts", "statements"]

# Those with the greatest share of the time: the others make nothing slow.
MOST = 2_000

WHERE_IT_IS = """
    SELECT n.nspname, pg_catalog.array_agg(a.attname::text),
           pg_catalog.to_regclass(pg_catalog.quote_ident(n.nspname) || '.pg_stat_statements_info') IS NOT NULL
      FROM pg_catalog.pg_extension e
      JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
      JOIN pg_catalog.pg_attribute a
        ON a.attrelid = pg_catalog.to_regclass(pg_catalog.quote_ident(n.nspname) || '.pg_stat_statements')
       AND a.attnum > 0 AND NOT a.attisdropped
     WHERE e.extname = 'pg_stat_statements'
     GROUP BY n.nspname
"""
OURS = "s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"
# Without the texts: those stand in a file, which is read for nothing else. The same statement of several roles is one.
TOTALS = """
    SELECT s.queryid::text, sum(s.calls)::bigint, sum(s.{time})::float8
      FROM {function}(false) s
     WHERE {ours} AND s.queryid IS NOT NULL AND s.calls > 0
     GROUP BY s.queryid ORDER BY 3 DESC LIMIT {most}
"""
HIDDEN = "SELECT count(*) FROM {function}(false) s WHERE {ours} AND s.queryid IS NULL"
RESET = "SELECT stats_reset FROM {info}"
HASHES = """
    SELECT s.queryid::text, min(left(pg_catalog.md5(s.query), 16)) FROM {view} s
     WHERE {ours} AND s.queryid::text = ANY(%s) AND s.query IS NOT NULL GROUP BY s.queryid
"""
TEXTS = """
    SELECT s.queryid::text, min(left(s.query, 1000)) FROM {view} s
     WHERE {ours} AND s.queryid::text = ANY(%s) AND s.query IS NOT NULL GROUP BY s.queryid
"""


@dataclass(frozen=True)
class StatementTotal:
    """What a statement took, all its calls together.

    Args:
        calls: how often it ran.
        total_ms: how long that took, in milliseconds.
        text_hash: what tells its text apart, where that was asked for: its id changes with the tables that it names.
    """

    calls: int
    total_ms: float
    text_hash: str | None = None

    @property
    def mean_ms(self) -> float:
        """How long one call took."""
        return self.total_ms / self.calls if self.calls else 0.0


@dataclass(frozen=True)
class Statements:
    """What is known of the statements of a database.

    Args:
        totals: by query id.
        reset_at: when they were last reset; None where that is not known, as before PostgreSQL 14.
        hidden: how many are other roles', of which this one sees nothing.
        complete: whether all that there are stand in `totals`.
    """

    totals: Mapping[str, StatementTotal] = field(default_factory=dict)
    reset_at: datetime | None = None
    hidden: int = 0
    complete: bool = True


@dataclass(frozen=True)
class _Place:
    schema: str
    time: str
    has_info: bool

    def put(self, query: str) -> sql.Composed:
        return sql.SQL(query).format(
            function=sql.Identifier(self.schema, "pg_stat_statements"),
            view=sql.Identifier(self.schema, "pg_stat_statements"),
            info=sql.Identifier(self.schema, "pg_stat_statements_info"),
            time=sql.Identifier(self.time),
            ours=sql.SQL(OURS),
            most=sql.Literal(MOST),
        )


def statements(cursor: Any) -> Statements | None:
    """What each statement took so far; None where pg_stat_statements is not installed in the database.

    Args:
        cursor: of a connection in autocommit mode.

    Raises:
        psycopg2.Error: the server did not load it, or this role may not read it.
    """
    place = _place(cursor)
    if place is None:
        return None
    cursor.execute(place.put(TOTALS))
    totals = {query: StatementTotal(calls, total) for query, calls, total in cursor.fetchall()}
    cursor.execute(place.put(HIDDEN))
    (hidden,) = cursor.fetchone()
    return Statements(totals, _reset_at(cursor, place), hidden, len(totals) < MOST)


def statement_hashes(cursor: Any, queries: Collection[str]) -> Mapping[str, str]:
    """What tells the texts of statements apart, by query id.

    Args:
        cursor: of a connection in autocommit mode.
        queries: the ids.
    """
    return _asked(cursor, HASHES, queries)


def statement_texts(cursor: Any, queries: Collection[str]) -> Mapping[str, str]:
    """The texts of statements without their values, by query id.

    PostgreSQL puts `$1` for the values of queries; before version 16 not for those of utility statements, which may
    hold passwords: whatever is a value is taken out here too.

    Args:
        cursor: of a connection in autocommit mode.
        queries: the ids.
    """
    found = _asked(cursor, TEXTS, queries)
    return {query: without_literals(without_passwords(text)) for query, text in found.items()}


def _place(cursor: Any) -> _Place | None:
    cursor.execute(WHERE_IT_IS)
    row = cursor.fetchone()
    if row is None:
        return None
    schema, columns, has_info = row
    # An extension that was not updated after an upgrade of the server has its former columns.
    return _Place(schema, "total_exec_time" if "total_exec_time" in columns else "total_time", has_info)


def _asked(cursor: Any, query: str, queries: Collection[str]) -> Mapping[str, str]:
    place = _place(cursor) if queries else None
    if place is None:
        return {}
    cursor.execute(place.put(query), [sorted(queries)])
    return dict(cursor.fetchall())


def _reset_at(cursor: Any, place: _Place) -> datetime | None:
    if not place.has_info:
        return None
    try:
        cursor.execute(place.put(RESET))
    except psycopg2.Error as error:
        if not is_refusal(error):
            raise
        return None
    (reset_at,) = cursor.fetchone()
    found: datetime | None = reset_at
    return found
