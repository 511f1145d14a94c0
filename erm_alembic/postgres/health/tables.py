"""What tables and their parts are like: dead rows and vacuum, indexes that are invalid, constraints not validated."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["TableState", "invalid_index_names", "missing_tables", "table_states", "unvalidated_constraints"]

# Besides those that are asked for: where most is to be cleaned up.
WORST = 5
# Names that are listed at most; a schema with thousands of invalid indexes is told by the first of them.
MOST = 200

TABLES = """
    SELECT pg_catalog.quote_ident(s.schemaname) || '.' || pg_catalog.quote_ident(s.relname),
           s.n_live_tup, s.n_dead_tup, greatest(s.last_vacuum, s.last_autovacuum), s.autovacuum_count,
           EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum p WHERE p.relid = s.relid),
           s.relid = ANY(asked.oids)
      FROM pg_catalog.pg_stat_all_tables s,
           (SELECT pg_catalog.array_agg(pg_catalog.to_regclass(name)::oid) FROM pg_catalog.unnest(%s::text[]) name)
               asked (oids)
     WHERE s.relid = ANY(asked.oids) OR s.relid IN (
           SELECT relid FROM pg_catalog.pg_stat_user_tables ORDER BY n_dead_tup DESC, relid LIMIT %s)
     ORDER BY 7 DESC NULLS LAST, s.n_dead_tup DESC, 1
"""
MISSING = "SELECT name FROM pg_catalog.unnest(%s::text[]) name WHERE pg_catalog.to_regclass(name) IS NULL ORDER BY 1"
# Not those that somebody is building now; an index of a partitioned table is invalid until all parts have theirs.
INVALID_INDEXES = """
    SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
      FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE NOT i.indisvalid AND n.nspname !~ '^pg_'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
                        WHERE p.index_relid = i.indexrelid OR (p.index_relid = 0 AND p.relid = i.indrelid)
                           OR (p.relid IS NULL AND EXISTS (
                               SELECT FROM pg_catalog.pg_locks l
                                WHERE l.pid = p.pid AND l.granted AND l.relation = i.indrelid)))
     ORDER BY 1 LIMIT %s
"""
UNVALIDATED = """
    SELECT o.conrelid::pg_catalog.regclass::text, pg_catalog.quote_ident(o.conname)
      FROM pg_catalog.pg_constraint o
      JOIN pg_catalog.pg_namespace n ON n.oid = o.connamespace
     WHERE NOT o.convalidated AND o.conrelid <> 0 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY 1, 2 LIMIT %s
"""


@dataclass(frozen=True)
class TableState:
    """The rows of a table.

    Args:
        name: the table with its schema, quoted where it must be.
        live: about how many rows it has.
        dead: about how many that are gone take room until a vacuum.
        vacuumed_at: when that last happened; None for never.
        autovacuums: how often autovacuum has cleaned it.
        is_vacuumed: whether that happens right now.
        is_asked_for: whether it is one that was asked for.
    """

    name: str
    live: int
    dead: int
    vacuumed_at: datetime | None = None
    autovacuums: int = 0
    is_vacuumed: bool = False
    is_asked_for: bool = False

    @property
    def dead_share(self) -> float:
        """The share of the rows that are dead, from 0 to 1."""
        return self.dead / (self.live + self.dead) if self.dead else 0.0


def table_states(cursor: Any, names: Collection[str]) -> tuple[TableState, ...]:
    """The tables that are asked for, as far as they are there, and those with most dead rows.

    Args:
        cursor: of a connection in autocommit mode, with pg_catalog alone on its search path.
        names: tables with their schemas, quoted where they must be.
    """
    cursor.execute(TABLES, [sorted(names), WORST])
    return tuple(
        TableState(name, live, dead, vacuumed_at, autovacuums, is_vacuumed, bool(is_asked_for))
        for name, live, dead, vacuumed_at, autovacuums, is_vacuumed, is_asked_for in cursor.fetchall()
    )


def missing_tables(cursor: Any, names: Collection[str]) -> tuple[str, ...]:
    """Those of the tables that are asked for that there are not.

    Args:
        cursor: of a connection in autocommit mode, with pg_catalog alone on its search path.
        names: tables with their schemas, quoted where they must be.
    """
    if not names:
        return ()
    cursor.execute(MISSING, [sorted(names)])
    return tuple(name for (name,) in cursor.fetchall())


def invalid_index_names(cursor: Any) -> tuple[str, ...]:
    """The indexes that no query may use, and that nobody is building.

    Args:
        cursor: of a connection in autocommit mode.
    """
    cursor.execute(INVALID_INDEXES, [MOST])
    return tuple(name for (name,) in cursor.fetchall())


def unvalidated_constraints(cursor: Any) -> tuple[tuple[str, str], ...]:
    """The constraints that were not checked against the rows that are there: the table and the name of each, quoted.

    Args:
        cursor: of a connection in autocommit mode, with pg_catalog alone on its search path.
    """
    cursor.execute(UNVALIDATED, [MOST])
    return tuple((table, name) for table, name in cursor.fetchall())
