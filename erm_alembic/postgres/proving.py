"""What a proof asks of a scratch database besides its snapshot: the values of enums, and which tables have rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

__all__ = ["enum_labels", "filled_tables", "own_schema", "table_oids"]

LABELS = """
    SELECT pg_catalog.format('%%I.%%I', n.nspname, t.typname),
           pg_catalog.array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
      FROM pg_catalog.pg_enum e
      JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
     WHERE n.nspname <> ALL(%s::name[])
     GROUP BY 1
"""

FILLED = """
    SELECT c.oid
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND pg_catalog.pg_relation_size(c.oid) > 0
       AND c.oid <> ALL (SELECT pg_catalog.to_regclass(t) FROM pg_catalog.unnest(%s::text[]) t WHERE t <> '')
"""

TABLES = """
    SELECT c.oid
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


def enum_labels(cursor: Any, leave_out: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """The values of all enums, by the name of their types with their schemas.

    Args:
        cursor: a plain cursor.
        leave_out: schemas whose types do not count.
    """
    cursor.execute(LABELS, [list(leave_out)])
    return {name: tuple(labels) for name, labels in cursor.fetchall()}


def filled_tables(cursor: Any, leave_out: Collection[str] = ()) -> frozenset[int]:
    """The object ids of the tables that take room on the disk: into which rows have been written, or were loaded.

    Args:
        cursor: a plain cursor.
        leave_out: names of tables that do not count, with their schemas and quoted where they must be.
    """
    cursor.execute(FILLED, [list(leave_out)])
    return frozenset(row[0] for row in cursor.fetchall())


def own_schema(cursor: Any) -> str:
    """The schema that a new table without a schema of its own goes to, quoted where it must be."""
    cursor.execute("SELECT pg_catalog.quote_ident(pg_catalog.current_schema())")
    return str(cursor.fetchone()[0])


def table_oids(cursor: Any) -> frozenset[int]:
    """The object ids of all tables."""
    cursor.execute(TABLES)
    return frozenset(row[0] for row in cursor.fetchall())
