"""What rows the tables of a database have, and how far its sequences are: as digests, for comparing two of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from psycopg2 import sql

__all__ = ["read_rows", "read_starts"]

TABLES = """
    SELECT n.nspname::text, c.relname::text, c.relkind::text FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND n.nspname <> ALL(%(schemas)s)
       AND c.oid <> ALL(ARRAY(SELECT pg_catalog.to_regclass(t)::oid FROM pg_catalog.unnest(%(tables)s::text[]) t
                               WHERE pg_catalog.to_regclass(t) IS NOT NULL))
     ORDER BY 1, 2
"""
ROWS = sql.SQL(
    "SELECT pg_catalog.count(*)::text || ' ' || coalesce(pg_catalog.md5(pg_catalog.string_agg("
    "pg_catalog.md5(t::text), '' ORDER BY pg_catalog.md5(t::text))), '') FROM ONLY {} AS t"
)
STATE = sql.SQL("SELECT last_value::text || ' ' || is_called::text FROM {}")
STARTS = """
    SELECT n.nspname::text, c.relname::text, s.seqstart FROM pg_catalog.pg_sequence s
      JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
"""


def read_rows(
    cursor: Any, leave_out: Collection[str] = (), leave_out_tables: Collection[str] = ()
) -> Mapping[tuple[str, str], str]:
    """A digest of the rows of each table, and the state of each sequence, by schema and name.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
        leave_out: names of schemas that do not count, unquoted.
        leave_out_tables: names of tables that do not count, with their schema and quoted where they must be.
    """
    # The text of a row depends on these.
    cursor.execute("SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'; SET LOCAL intervalstyle = 'postgres'")
    cursor.execute(TABLES, {"schemas": list(leave_out), "tables": list(leave_out_tables)})
    found = {}
    for schema, name, kind in cursor.fetchall():
        cursor.execute((STATE if kind == "S" else ROWS).format(sql.Identifier(schema, name)))
        found[schema, name] = cursor.fetchone()[0]
    return found


def read_starts(cursor: Any) -> Mapping[tuple[str, str], int]:
    """Where each sequence starts, by schema and name, unquoted.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
    """
    cursor.execute(STARTS)
    return {(schema, name): int(start) for schema, name, start in cursor.fetchall()}
