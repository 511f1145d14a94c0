"""What a baseline needs to know of a database besides its dump: what no dump says, and what it says in other words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

__all__ = ["BaselineFacts", "DataTable", "read_baseline_facts", "read_data_tables"]

POPULATED = """
    SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'm' AND c.relispopulated
"""
# Rights ('a', and 'i' of extensions) and policies ('r') name roles; owners ('o') do where they are wanted.
ROLES = """
    SELECT DISTINCT r.rolname::text FROM pg_catalog.pg_shdepend d
      JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid
     WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.deptype::text = ANY(%s)
       AND d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
     ORDER BY 1
"""
TABLESPACES = """
    SELECT DISTINCT t.spcname::text FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace
     WHERE t.spcname NOT IN ('pg_default', 'pg_global') ORDER BY 1
"""
SETTINGS = """
    SELECT pg_catalog.count(*) FROM pg_catalog.pg_db_role_setting s
      JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
     WHERE d.datname = pg_catalog.current_database()
"""
# Whoever has the most of the tables and views is the one who migrates.
MIGRATOR = """
    SELECT pg_catalog.quote_ident(r.rolname) FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND n.nspname <> %s
     GROUP BY r.rolname ORDER BY pg_catalog.count(*) DESC, r.rolname LIMIT 1
"""
LARGE_OBJECTS = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata"
EXTENSIONS = "SELECT extname::text FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"

# A partitioned table has its rows in its leaves.
LEAVES = """
    SELECT n.nspname::text, c.relname::text, c.relkind::text
      FROM (SELECT relid FROM pg_catalog.pg_partition_tree(%(table)s::regclass) WHERE isleaf
            UNION SELECT %(table)s::regclass
             WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_partition_tree(%(table)s::regclass))) AS leaf
      JOIN pg_catalog.pg_class c ON c.oid = leaf.relid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     ORDER BY 1, 2
"""


@dataclass(frozen=True)
class BaselineFacts:
    """What no dump of a schema says.

    Args:
        populated: schema and name of each materialised view that has been filled, unquoted.
        roles: the roles that its rights and policies name, and its owners where those are wanted.
        tablespaces: those that its tables and indexes name.
        extensions: those that it has.
        migrator: the role, quoted where it must be, that the most of its relations belong to; None where it has none.
        settings: how many settings the database as a whole has (`ALTER DATABASE ... SET`).
        large_objects: how many large objects it has.
    """

    populated: frozenset[tuple[str, str]]
    roles: tuple[str, ...]
    tablespaces: tuple[str, ...]
    extensions: tuple[str, ...]
    migrator: str | None
    settings: int
    large_objects: int


@dataclass(frozen=True)
class DataTable:
    """A table whose rows are wanted.

    Args:
        schema: its schema, unquoted.
        name: its name, unquoted.
        kind: `relkind` of the catalog.
    """

    schema: str
    name: str
    kind: str

    @property
    def pattern(self) -> str:
        """The name as pg_dump's options take it, in which nothing stands for anything else."""
        schema, name = (part.replace('"', '""') for part in (self.schema, self.name))
        return f'"{schema}"."{name}"'


def read_baseline_facts(cursor: Any, ledger_schema: str, *, owners: bool, grants: bool) -> BaselineFacts:
    """Ask a database for it.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
        ledger_schema: the schema of erm's ledger, unquoted, which does not count.
        owners: whether owners are wanted.
        grants: whether rights are wanted.
    """
    kinds = ["r", *(["o"] if owners else []), *(["a", "i"] if grants else [])]
    cursor.execute(POPULATED)
    populated = frozenset((schema, name) for schema, name in cursor.fetchall())
    cursor.execute(ROLES, [kinds])
    roles = tuple(name for (name,) in cursor.fetchall())
    cursor.execute(TABLESPACES)
    tablespaces = tuple(name for (name,) in cursor.fetchall())
    cursor.execute(EXTENSIONS)
    extensions = tuple(name for (name,) in cursor.fetchall())
    cursor.execute(MIGRATOR, [ledger_schema])
    row = cursor.fetchone()
    counts = []
    for query in (SETTINGS, LARGE_OBJECTS):
        cursor.execute(query)
        counts.append(int(cursor.fetchone()[0]))
    return BaselineFacts(populated, roles, tablespaces, extensions, row[0] if row else None, *counts)


def read_data_tables(cursor: Any, name: str) -> tuple[DataTable, ...]:
    """The tables that a name stands for: itself, or the leaves of a partitioned table; none where there is no such one.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
        name: a table, with or without its schema, quoted where it must be.
    """
    cursor.execute(sql.SQL("SELECT pg_catalog.to_regclass(%s) IS NOT NULL"), [name])
    if not cursor.fetchone()[0]:
        return ()
    cursor.execute(LEAVES, {"table": name})
    found: Sequence[tuple[str, str, str]] = cursor.fetchall()
    return tuple(DataTable(*row) for row in found)
