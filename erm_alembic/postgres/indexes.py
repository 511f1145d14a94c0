"""Indexes that a failed or a killed concurrent build left behind, and who is building one right now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import errors as pg

__all__ = [
    "Index",
    "half_detached",
    "indexes_of",
    "invalid_indexes",
    "name_kept",
    "relation_named",
    "relations_rebuilt",
]

# Of another role's build, pg_stat_progress_create_index tells the process only; its lock on the table tells the rest.
INDEXES = """
    SELECT i.indexrelid::bigint, n.nspname, c.relname, i.indrelid::regclass::text, i.indisvalid,
           c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.conindid = i.indexrelid),
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
     WHERE c.relkind = 'i'
"""

REBUILDS = re.compile(r"_cc(new|old)\d*$")
# A name that the server does not take, of another database, or in a schema that the role may not look into.
NO_RELATION = (pg.InvalidName, pg.FeatureNotSupported, pg.InsufficientPrivilege)
TABLES = "SELECT oid::bigint FROM pg_catalog.pg_class WHERE relkind IN ('r', 'm')"
WITH_PARTS = """
    WITH tree AS (
        SELECT named.oid FROM pg_catalog.unnest(%s::oid[]) AS named (oid)
         UNION
        SELECT part.relid FROM pg_catalog.unnest(%s::oid[]) AS named (oid), pg_catalog.pg_partition_tree(named.oid) part
    )
    SELECT oid::bigint FROM tree
     UNION
    SELECT c.reltoastrelid::bigint FROM pg_catalog.pg_class c JOIN tree USING (oid) WHERE c.reltoastrelid <> 0
"""


@dataclass(frozen=True)
class Index:
    """One index.

    Args:
        oid: its OID.
        schema: its schema.
        name: its name.
        table: its table, as the session has to name it.
        valid: whether queries may use it.
        bound: whether it backs a constraint, or is a part of a partitioned table's index, and cannot go alone.
        builder: the server process that is building it; None when nobody is.
    """

    oid: int
    schema: str
    name: str
    table: str
    valid: bool
    bound: bool
    builder: int | None

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def is_leftover(self) -> bool:
        """Whether nothing needs it; `builder` tells whether somebody is at it still."""
        return not self.valid and not self.bound

    @property
    def is_of_rebuild(self) -> bool:
        """Whether its name is one that REINDEX CONCURRENTLY makes up (`_ccnew`, `_ccold`)."""
        return REBUILDS.search(self.name) is not None


def relation_named(cursor: Any, name: str) -> int | None:
    """The OID of the relation that a statement of this session means by a name; None when there is none.

    Args:
        cursor: an ungated cursor, in no transaction.
        name: as the statement names it, with or without its schema, quoted where it must be.
    """
    try:
        cursor.execute("SELECT pg_catalog.to_regclass(%s)::oid::bigint", [name])
    except NO_RELATION:
        return None
    return cursor.fetchone()[0]  # type: ignore[no-any-return]  # a bigint


def name_kept(cursor: Any, name: str) -> str:
    """A name as the server keeps it: it cuts off what is too long.

    Args:
        cursor: an ungated cursor.
        name: the name, folded.
    """
    cursor.execute("SELECT %s::text::name::text", [name])
    return str(cursor.fetchone()[0])


def relations_rebuilt(cursor: Any, kind: str, name: str) -> tuple[int, ...]:
    """The OIDs of the tables whose indexes a REINDEX rebuilds, their partitions and TOAST tables among them.

    Args:
        cursor: an ungated cursor, in no transaction.
        kind: `INDEX`, `TABLE`, `SCHEMA`, `DATABASE` or `SYSTEM`.
        name: what it names, as the statement names it.
    """
    if kind in ("INDEX", "TABLE"):
        named = relation_named(cursor, name)
        cursor.execute(
            "SELECT coalesce((SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = %s), %s)::bigint",
            [named, named],
        )
    elif kind == "SCHEMA":
        cursor.execute(f"{TABLES} AND relnamespace = pg_catalog.to_regnamespace(%s)", [name])
    else:
        cursor.execute(TABLES)
    tables = [row[0] for row in cursor.fetchall() if row[0] is not None]
    cursor.execute(WITH_PARTS, [tables, tables])
    return tuple(row[0] for row in cursor.fetchall())


def indexes_of(cursor: Any, relations: Sequence[int]) -> tuple[Index, ...]:
    """The indexes of these very tables.

    Args:
        cursor: an ungated cursor.
        relations: the OIDs of the tables.
    """
    return _found(cursor, "AND i.indrelid = ANY(%s::oid[])", [list(relations)]) if relations else ()


def invalid_indexes(cursor: Any) -> tuple[Index, ...]:
    """The indexes of the database that queries may not use.

    Args:
        cursor: an ungated cursor.
    """
    return _found(cursor, "AND NOT i.indisvalid", [])


def _found(cursor: Any, condition: str, parameters: Sequence[Any]) -> tuple[Index, ...]:
    cursor.execute(f"{INDEXES} {condition} ORDER BY 1", list(parameters))
    return tuple(Index(*row) for row in cursor.fetchall())


def half_detached(cursor: Any, parent: int, partition: int) -> tuple[str, str] | None:
    """A table and its partition, as SQL names them, where DETACH PARTITION CONCURRENTLY was cut off between them.

    Args:
        cursor: an ungated cursor.
        parent: the partitioned table's OID.
        partition: the partition's OID.
    """
    if cursor.connection.server_version < 140000:
        return None
    cursor.execute(
        "SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_catalog.pg_inherits"
        " WHERE inhdetachpending AND inhparent = %s AND inhrelid = %s",
        [parent, partition],
    )
    return cursor.fetchone()  # type: ignore[no-any-return]  # two texts
