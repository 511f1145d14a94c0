"""What a session has locked, and the files that its relations stand in: a statement is observed by looking twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Held",
    "NamedTable",
    "Relation",
    "counters",
    "held_by",
    "is_waiting",
    "named_tables",
    "read_relations",
    "some_tables",
]

# PostgreSQL's own catalogs are of no interest: so the locks that asking takes, which are on these, do not count.
OF_THE_USER = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
RELATION = """
    n.oid::int8, pg_catalog.quote_ident(n.nspname), pg_catalog.quote_ident(c.relname), c.relkind::text,
    pg_catalog.pg_relation_filenode(c.oid)::int8, c.reltablespace::int8, i.indrelid::int8
"""
CLASS = """
    pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
"""
SCANS = "pg_catalog.pg_stat_get_xact_numscans(c.oid)"
ROWS = """
    pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_xact_tuples_updated(c.oid)
    + pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)
"""

RELATIONS = f"SELECT c.oid::int8, {RELATION} FROM {CLASS} WHERE {OF_THE_USER} AND c.relkind <> 'c'"  # noqa: S608 - constants
COUNTERS = f"""
    SELECT oid, scans, rows
      FROM (SELECT c.oid::int8, {SCANS} AS scans, {ROWS} AS rows FROM {CLASS}
             WHERE {OF_THE_USER} AND c.relkind IN ('r', 'm', 'i')) counted
     WHERE scans > 0 OR rows > 0
"""  # noqa: S608 - constants
# A relation that was dropped is locked until the end of the transaction, and has no row any more.
HELD = f"""
    SELECT l.relation::int8, l.mode, c.oid IS NOT NULL, {RELATION}, {SCANS}, {ROWS}
      FROM pg_catalog.pg_lock_status() l
      LEFT JOIN ({CLASS}) ON c.oid = l.relation
     WHERE l.pid = coalesce(%(pid)s, pg_catalog.pg_backend_pid()) AND l.locktype = 'relation'
       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
       AND (c.oid IS NULL OR {OF_THE_USER})
"""  # noqa: S608 - constants

WAITING = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_lock_status() l WHERE l.pid = %(pid)s AND NOT l.granted)
"""

# What a text may be about: the tables and materialised views that one of its words names, or of which it names an
# index, and their partitions.
NAMED = """
    WITH RECURSIVE named AS (
        SELECT coalesce(i.indrelid, c.oid) AS oid
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
         WHERE c.relname = ANY(%(names)s) AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         UNION
        SELECT h.inhrelid FROM named JOIN pg_catalog.pg_inherits h ON h.inhparent = named.oid
    )
    SELECT c.oid::int8, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relkind::text,
           c.relispartition
      FROM named
      JOIN pg_catalog.pg_class c ON c.oid = named.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm')
     ORDER BY 1
"""
SOME = f"""
    SELECT c.oid::int8, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relkind::text,
           c.relispartition
      FROM {CLASS}
     WHERE {OF_THE_USER} AND c.relkind IN ('r', 'm')
     ORDER BY 1 LIMIT 1000
"""  # noqa: S608 - constants; the limit: a server has room for so many locks


@dataclass(frozen=True)
class Relation:
    """A relation as the catalog has it.

    Args:
        schema_oid: the OID of its schema.
        schema: the name of that, quoted where it must be.
        relname: its own name, quoted where it must be.
        kind: `r`, `p`, `i`, ... as in pg_class.relkind.
        filenode: the file that it stands in; None when it has none.
        tablespace: the OID of its tablespace; 0 for the database's own.
        table: of an index, the OID of its table.
    """

    schema_oid: int
    schema: str
    relname: str
    kind: str
    filenode: int | None
    tablespace: int
    table: int | None

    @property
    def name(self) -> str:
        """Its name with its schema."""
        return f"{self.schema}.{self.relname}"


@dataclass(frozen=True)
class Held:
    """What a session holds locked at one moment, or waits for.

    Args:
        modes: the modes by the OID of the relation; a relation that was dropped is there too.
        relations: the relations that there are, by OID.
        counts: the scans and the changed rows that its transaction has counted of each, by OID.
    """

    modes: Mapping[int, frozenset[str]] = field(default_factory=dict)
    relations: Mapping[int, Relation] = field(default_factory=dict)
    counts: Mapping[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class NamedTable:
    """A table that a statement may be about.

    Args:
        name: its name with its schema, quoted where it must be.
        kind: `r`, `p` or `m`, as in pg_class.relkind.
        is_partition: whether its rows are those of another table, too.
    """

    name: str
    kind: str
    is_partition: bool

    @property
    def is_view(self) -> bool:
        """Whether it is a materialised view."""
        return self.kind == "m"

    @property
    def is_partitioned(self) -> bool:
        """Whether its rows are those of its partitions."""
        return self.kind == "p"


def read_relations(cursor: Any) -> dict[int, Relation]:
    """All relations of the user, by OID.

    Args:
        cursor: an ungated cursor.
    """
    cursor.execute(RELATIONS)
    return {oid: Relation(*row) for oid, *row in cursor.fetchall()}


def counters(cursor: Any) -> dict[int, tuple[int, int]]:
    """The scans and the changed rows that this session has counted, and not told the server, by OID.

    Args:
        cursor: an ungated cursor.
    """
    cursor.execute(COUNTERS)
    return {oid: (scans, rows) for oid, scans, rows in cursor.fetchall()}


def held_by(cursor: Any, pid: int | None = None) -> Held:
    """What a session holds locked, or waits for.

    Args:
        cursor: an ungated cursor, of any session of the same database.
        pid: the session's server process; None for the cursor's own. The counts are always the cursor's own.
    """
    cursor.execute(HELD, {"pid": pid})
    modes: dict[int, set[str]] = {}
    relations: dict[int, Relation] = {}
    counts: dict[int, tuple[int, int]] = {}
    for oid, mode, exists, *relation, scans, rows in cursor.fetchall():
        modes.setdefault(oid, set()).add(mode)
        if exists:
            relations[oid] = Relation(*relation)
            counts[oid] = (scans, rows)
    return Held({oid: frozenset(found) for oid, found in modes.items()}, relations, counts)


def is_waiting(cursor: Any, pid: int) -> bool:
    """Whether a session waits for a lock of any kind.

    Args:
        cursor: of another session.
        pid: the session's server process.
    """
    cursor.execute(WAITING, {"pid": pid})
    return bool(cursor.fetchone()[0])


def named_tables(cursor: Any, names: Sequence[str]) -> dict[int, NamedTable]:
    """The tables and materialised views that a text may be about, with their partitions, by OID.

    Args:
        cursor: an ungated cursor.
        names: the words of the text, as the server folds them.
    """
    cursor.execute(NAMED, {"names": list(names)})
    return {oid: NamedTable(*row) for oid, *row in cursor.fetchall()}


def some_tables(cursor: Any) -> dict[int, NamedTable]:
    """The tables and materialised views of a database, a thousand at most, by OID.

    Args:
        cursor: an ungated cursor.
    """
    cursor.execute(SOME)
    return {oid: NamedTable(*row) for oid, *row in cursor.fetchall()}
