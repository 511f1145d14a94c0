"""Indexes that a failed or a killed concurrent build left behind, and who is building one right now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Index",
    "indexes_of",
    "invalid_indexes",
    "leftovers_of_build",
    "leftovers_of_rebuild",
    "partitions_half_detached",
    "relations_named",
]

# Of another role's build, pg_stat_progress_create_index tells the process only; its lock on the table tells the rest.
INDEXES = """
    SELECT i.indexrelid::bigint, n.nspname, c.relname, i.indrelid::regclass::text, i.indisvalid,
           (SELECT min(p.pid) FROM pg_catalog.pg_stat_progress_create_index p
             WHERE p.index_relid = i.indexrelid
                OR (p.index_relid = 0 AND p.relid = i.indrelid)
                OR (p.relid IS NULL AND EXISTS (
                       SELECT FROM pg_catalog.pg_locks l
                        WHERE l.pid = p.pid AND l.granted AND l.locktype = 'relation' AND l.relation = i.indrelid
                          AND l.database = (SELECT oid FROM pg_catalog.pg_database
                                             WHERE datname = pg_catalog.current_database()))))
      FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
      LEFT JOIN pg_catalog.pg_class r ON r.oid = pg_catalog.pg_partition_root(i.indrelid)
      LEFT JOIN pg_catalog.pg_class m ON m.reltoastrelid = i.indrelid
     WHERE c.relkind = 'i'
"""

REBUILDS = r"_cc(new|old)\d*$"


@dataclass(frozen=True)
class Index:
    """One index.

    Args:
        oid: its OID.
        schema: its schema.
        name: its name.
        table: its table, as the session has to name it.
        valid: whether queries may use it.
        builder: the server process that is building it; None when nobody is.
    """

    oid: int
    schema: str
    name: str
    table: str
    valid: bool
    builder: int | None

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def relations_named(cursor: Any, names: Sequence[str]) -> tuple[int, ...]:
    """The OIDs of all tables that have one of these names, and of those whose index has one.

    Args:
        cursor: an ungated cursor.
        names: identifiers as the server folds them; the server cuts them off where they are too long.
    """
    cursor.execute(
        "SELECT c.oid::bigint FROM pg_catalog.pg_class c"
        " WHERE c.relname = ANY(%s::text[]::name[]) AND c.relkind IN ('r', 'm', 'p', 't')"
        " UNION SELECT i.indrelid::bigint FROM pg_catalog.pg_index i"
        " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE c.relname = ANY(%s::text[]::name[])",
        [list(names), list(names)],
    )
    return tuple(row[0] for row in cursor.fetchall())


def indexes_of(cursor: Any, relations: Sequence[int]) -> tuple[Index, ...]:
    """The indexes of tables, of their partitions and of their TOAST tables.

    Args:
        cursor: an ungated cursor.
        relations: the OIDs of the tables.
    """
    return _found(
        cursor,
        "AND (i.indrelid = ANY(%s::oid[]) OR r.oid = ANY(%s::oid[]) OR m.oid = ANY(%s::oid[]))",
        [list(relations)] * 3,
    )


def invalid_indexes(cursor: Any) -> tuple[Index, ...]:
    """The indexes of the database that queries may not use.

    Args:
        cursor: an ungated cursor.
    """
    return _found(cursor, "AND NOT i.indisvalid", [])


def leftovers_of_build(cursor: Any, table: str, index: str) -> tuple[Index, ...]:
    """The invalid index of that name on that table, which IF NOT EXISTS would take for the real one.

    Args:
        cursor: an ungated cursor.
        table: the table as the statement names it, quoted where it must be.
        index: the index's name as the server folds it.
    """
    return _found(
        cursor,
        "AND NOT i.indisvalid AND i.indrelid = pg_catalog.to_regclass(%s) AND c.relname = %s::text::name",
        [table, index],
    )


def leftovers_of_rebuild(cursor: Any, names: Sequence[str] | None) -> tuple[Index, ...]:
    """The invalid indexes that REINDEX CONCURRENTLY left under a name of its own (`_ccnew`, `_ccold`).

    Args:
        cursor: an ungated cursor.
        names: what the statement names: indexes, tables or schemas; None means everything in the database.
    """
    if names is None:
        return _found(cursor, "AND NOT i.indisvalid AND c.relname ~ %s", [REBUILDS])
    return _found(
        cursor,
        "AND NOT i.indisvalid AND c.relname ~ %s AND (t.relname = ANY(%s::text[]::name[])"
        " OR r.relname = ANY(%s::text[]::name[]) OR m.relname = ANY(%s::text[]::name[])"
        " OR n.nspname = ANY(%s::text[]::name[])"
        " OR EXISTS (SELECT FROM pg_catalog.pg_index o JOIN pg_catalog.pg_class oc ON oc.oid = o.indexrelid"
        " WHERE o.indrelid = i.indrelid AND oc.relname = ANY(%s::text[]::name[])))",
        [REBUILDS, *[list(names)] * 5],
    )


def _found(cursor: Any, condition: str, parameters: Sequence[Any]) -> tuple[Index, ...]:
    cursor.execute(f"{INDEXES} {condition} ORDER BY 1", list(parameters))
    return tuple(Index(*row) for row in cursor.fetchall())


def partitions_half_detached(cursor: Any, relations: Sequence[int]) -> tuple[tuple[str, str], ...]:
    """The tables, each with its partition, whose DETACH PARTITION CONCURRENTLY was cut off; names as SQL takes them.

    Args:
        cursor: an ungated cursor.
        relations: the OIDs of the tables to look at.
    """
    if cursor.connection.server_version < 140000:
        return ()
    cursor.execute(
        "SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_catalog.pg_inherits"
        " WHERE inhdetachpending AND inhparent = ANY(%s::oid[])",
        [list(relations)],
    )
    return tuple(cursor.fetchall())
