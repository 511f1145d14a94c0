"""What the tables that a plan is about are like: how big, which indexes, what is known never to be null."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from psycopg2 import errors as pg

__all__ = ["ExistingTable", "TableName", "existing_tables"]

TableName = tuple[str, ...]
"""The parts of a table's name as a statement names it, folded."""

# A name without a schema that the search_path does not find may be one that env.py's finds: the largest is meant then.
NAMED = """
    SELECT n.place, coalesce(i.indrelid, found.oid)::bigint
      FROM unnest(%(places)s::int[], %(schemas)s::text[], %(names)s::text[]) AS n (place, schema, name)
     CROSS JOIN LATERAL (
            SELECT c.oid
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
             WHERE c.relname = n.name::name AND c.relkind IN ('r', 'p', 'm', 'i', 'I')
               AND CASE WHEN n.schema IS NULL THEN s.nspname !~ '^pg_' AND s.nspname <> 'information_schema'
                        ELSE s.nspname = n.schema::name END
             ORDER BY pg_catalog.pg_table_is_visible(c.oid) DESC, c.relpages DESC, c.oid LIMIT 1) found
      LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = found.oid
"""

# Of a partitioned table, all of its leaves together.
TABLES = """
    SELECT t.oid::bigint, n.nspname, t.relname,
           coalesce(sum(greatest(l.reltuples, pg_catalog.pg_stat_get_live_tuples(l.oid), 0)), 0)::bigint,
           coalesce(bool_and(l.reltuples >= 0 OR pg_catalog.pg_stat_get_live_tuples(l.oid) > 0), true),
           coalesce(sum(pg_catalog.pg_relation_size(l.oid)), 0)::bigint
      FROM pg_catalog.pg_class t
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
      LEFT JOIN LATERAL pg_catalog.pg_partition_tree(t.oid) p ON t.relkind = 'p' AND p.isleaf
      LEFT JOIN pg_catalog.pg_class l ON l.relkind IN ('r', 'm') AND l.oid = coalesce(p.relid, t.oid)
     WHERE t.oid = ANY(%(oids)s::oid[])
     GROUP BY 1, 2, 3
"""
# What is known of a table that somebody holds: its size, and which its parts are, takes a lock to ask.
HELD_TABLES = """
    SELECT t.oid::bigint, n.nspname, t.relname, t.reltuples::bigint, t.reltuples >= 0, NULL::bigint
      FROM pg_catalog.pg_class t
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE t.oid = ANY(%(oids)s::oid[])
"""

INDEXES = """
    SELECT i.indrelid::bigint, pg_catalog.array_agg(a.attname::text ORDER BY k.place)
      FROM pg_catalog.pg_index i
     CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_am m ON m.oid = c.relam
     WHERE i.indrelid = ANY(%(oids)s::oid[]) AND i.indisvalid AND i.indpred IS NULL AND m.amname IN ('btree', 'hash')
       AND k.place <= i.indnkeyatts
       AND NOT EXISTS (SELECT FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS e (attnum, place)
                        WHERE e.attnum = 0 AND e.place <= k.place)
     GROUP BY i.indexrelid, i.indrelid
"""

# A check that implies it: it says so by itself, or together with more that must hold as well.
NEVER_NULL = """
    SELECT a.attrelid::bigint, a.attname::text, k.conname::text, coalesce(k.convalidated, a.attnotnull)
      FROM pg_catalog.pg_attribute a
      LEFT JOIN pg_catalog.pg_constraint k
        ON k.conrelid = a.attrelid AND k.contype = 'c' AND a.attnum = ANY(k.conkey) AND NOT a.attnotnull
       AND strpos(pg_catalog.pg_get_expr(k.conbin, k.conrelid),
                  '(' || pg_catalog.quote_ident(a.attname) || ' IS NOT NULL)') > 0
       AND pg_catalog.pg_get_expr(k.conbin, k.conrelid) !~ ' (OR|NOT \\(|CASE) '
     WHERE a.attrelid = ANY(%(oids)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
       AND (a.attnotnull OR k.oid IS NOT NULL)
"""


@dataclass(frozen=True)
class ExistingTable:
    """A table of the target.

    Args:
        schema: its schema.
        name: its name.
        rows: about how many rows it has; None where neither statistics nor its size tell it.
        size: its size without indexes, in bytes; None where it could not be asked.
        indexes: the whole columns that lead each of its indexes that find every row.
        never_null: the columns that are never null: declared so, or by a check that is validated.
        unproven: by name, the checks that a column is never null and that are not validated: the column.
    """

    schema: str
    name: str
    rows: int | None = None
    size: int | None = None
    indexes: tuple[tuple[str, ...], ...] = ()
    never_null: frozenset[str] = frozenset()
    unproven: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def key(self) -> TableName:
        """Its name with its schema, as parts."""
        return (self.schema, self.name)


def existing_tables(cursor: Any, names: Collection[TableName]) -> dict[TableName, ExistingTable]:
    """The tables behind names; an index stands for its table, and what is not there is left out.

    Args:
        cursor: of the target, in a transaction of its own that only reads.
        names: as statements name them.
    """
    known = [name for name in dict.fromkeys(names) if 1 <= len(name) <= 2 and all("\0" not in part for part in name)]
    if not known:
        return {}
    cursor.execute(
        NAMED,
        {
            "places": list(range(len(known))),
            "schemas": [name[0] if len(name) == 2 else None for name in known],
            "names": [name[-1] for name in known],
        },
    )
    meant: dict[int, int] = dict(cursor.fetchall())
    oids = {"oids": list(set(meant.values()))}
    if not meant:
        return {}
    tables = _facts(cursor, oids)
    return {known[place]: tables[oid] for place, oid in meant.items() if oid in tables}


def _facts(cursor: Any, oids: dict[str, list[int]]) -> dict[int, ExistingTable]:
    rows = _unless_held(cursor, TABLES, oids)
    if rows is None:
        cursor.execute(HELD_TABLES, oids)
        rows = cursor.fetchall()
    cursor.execute(INDEXES, oids)
    indexes: dict[int, list[tuple[str, ...]]] = {}
    for oid, columns in cursor.fetchall():
        indexes.setdefault(oid, []).append(tuple(columns))
    never: dict[int, set[str]] = {}
    unproven: dict[int, list[tuple[str, str]]] = {}
    for oid, column, check, proven in _unless_held(cursor, NEVER_NULL, oids) or ():
        if proven:
            never.setdefault(oid, set()).add(column)
        else:
            unproven.setdefault(oid, []).append((check, column))
    return {
        oid: ExistingTable(
            schema,
            name,
            0 if size == 0 else int(count) if counted else None,
            size,
            tuple(indexes.get(oid, ())),
            frozenset(never.get(oid, ())),
            tuple(unproven.get(oid, ())),
        )
        for oid, schema, name, count, counted, size in rows
    }


def _unless_held(cursor: Any, query: str, oids: dict[str, list[int]]) -> list[Any] | None:
    """The rows of a query that looks into the tables themselves; None where somebody holds one of them."""
    cursor.execute("SAVEPOINT erm_looks")
    try:
        cursor.execute(query, oids)
    except (pg.LockNotAvailable, pg.QueryCanceled):
        cursor.execute("ROLLBACK TO SAVEPOINT erm_looks")
        return None
    rows: list[Any] = cursor.fetchall()
    return rows
