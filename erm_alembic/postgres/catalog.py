"""Facts read from PostgreSQL's catalogs. No other package holds catalog SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "HAS_TEMPORARY",
    "SCHEMAS_BY_COMMENT",
    "Touched",
    "has_schema",
    "has_tables",
    "held_relations",
    "quoted_schema",
    "quoted_tables",
    "read_heads",
    "relation_names",
    "reserved_words",
    "schema_names",
    "session_basis",
    "session_role",
    "spreading_relations",
    "tables_of",
    "touched_relations",
    "whole_name",
]

# The function, not the view pg_locks: asking must not itself touch what it asks about.
HELD_RELATIONS = """
    SELECT DISTINCT relation FROM pg_catalog.pg_lock_status()
     WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation'
"""

NAMES = """
    SELECT c.relname, n.nspname ~ '^pg_' OR n.nspname = 'information_schema'
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = ANY(%s::oid[])
"""

TABLE_NAMES = """
    SELECT DISTINCT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.relname)
      FROM pg_catalog.pg_class c
      LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
      JOIN pg_catalog.pg_class t ON t.oid = coalesce(i.indrelid, c.oid)
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE c.oid = ANY(%s::oid[])
     ORDER BY 1
"""

# A write to one of these may change other relations: through a trigger, a rule, a view, a partition, a cascade.
SPREADING = """
    SELECT c.relname
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND (c.relkind IN ('v', 'p', 'f') OR c.relhasrules OR c.relhassubclass
            OR EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
            OR EXISTS (SELECT FROM pg_catalog.pg_constraint k
                        WHERE k.confrelid = c.oid
                          AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))))
"""


# What only an extension or an administrator changes.
STEADY = ("pg_am", "pg_opclass", "pg_opfamily", "pg_settings", "pg_database", "pg_tablespace", "pg_locks")

# Whether the session has temporary tables: a part of a statement that writes it down.
HAS_TEMPORARY = "EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema())"

# The schemas whose comment is like `:comment`, which SQLAlchemy fills in.
SCHEMAS_BY_COMMENT = """
    SELECT nspname FROM pg_catalog.pg_namespace
     WHERE pg_catalog.obj_description(oid, 'pg_namespace') LIKE :comment
"""

# Tables of a schema that are neither the named one nor an extension's.
TABLES_BESIDE = """
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND n.nspname = coalesce(%s, pg_catalog.current_schema()) AND c.relname <> %s
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                              AND d.deptype = 'e'))
"""


@dataclass(frozen=True)
class Touched:
    """What a read has looked at.

    Args:
        relations: the names of the user's tables, views and indexes.
        catalog: whether it looked at those of PostgreSQL's own catalogs that a revision usually changes.
    """

    relations: frozenset[str] = frozenset()
    catalog: bool = False


def quoted_tables(cursor: Any, oids: Sequence[int]) -> tuple[str, ...]:
    """The names of tables with their schema, quoted where they must be; an index stands for its table.

    Args:
        cursor: a psycopg2 cursor.
        oids: the OIDs of tables and indexes.
    """
    cursor.execute(TABLE_NAMES, [[oid for oid in oids if 0 < oid < 2**32]])
    return tuple(row[0] for row in cursor.fetchall())


def quoted_schema(cursor: Any) -> str:
    """The schema that a name without one goes to, quoted where it must be; empty when there is none.

    Args:
        cursor: of the session whose search_path counts.
    """
    cursor.execute("SELECT coalesce(pg_catalog.quote_ident(pg_catalog.current_schema()), '')")
    return str(cursor.fetchone()[0])


def whole_name(cursor: Any, relation: str) -> str:
    """The name of a relation with its schema, whatever the search_path is; empty when there is none of that name.

    Args:
        cursor: of the session whose search_path counts.
        relation: its name, quoted where it must be.
    """
    cursor.execute(
        "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = pg_catalog.to_regclass(%s)",
        [relation],
    )
    row = cursor.fetchone()
    return "" if row is None else str(row[0])


def held_relations(cursor: Any) -> list[int]:
    """The OIDs of all relations that this transaction holds a lock on: what it has touched."""
    cursor.execute(HELD_RELATIONS)
    return [row[0] for row in cursor.fetchall()]


def touched_relations(cursor: Any, oids: Sequence[int]) -> Touched:
    """The relations behind OIDs, the user's by name."""
    cursor.execute(NAMES, [list(oids)])
    rows = cursor.fetchall()
    changing = any(system and not _is_steady(name) for name, system in rows)
    return Touched(frozenset(name for name, system in rows if not system), changing)


def _is_steady(name: str) -> bool:
    return any(name == steady or name.startswith(f"{steady}_") for steady in STEADY)


def relation_names(cursor: Any, oids: Sequence[int]) -> frozenset[str]:
    """The names of the relations that have these OIDs."""
    cursor.execute(NAMES, [[oid for oid in oids if 0 < oid < 2**32]])
    return frozenset(row[0] for row in cursor.fetchall())


def schema_names(cursor: Any) -> frozenset[str]:
    """The names of all schemas."""
    cursor.execute("SELECT nspname FROM pg_catalog.pg_namespace")
    return frozenset(row[0] for row in cursor.fetchall())


def has_schema(cursor: Any, schema: str) -> bool:
    """Whether the database has a schema of that name."""
    cursor.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema])
    return cursor.fetchone() is not None


def tables_of(cursor: Any, schema: str, names: Iterable[str]) -> frozenset[str]:
    """Which of these tables a schema has."""
    cursor.execute(
        "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = ANY(%s)",
        [schema, list(names)],
    )
    return frozenset(row[0] for row in cursor.fetchall())


def reserved_words(cursor: Any) -> frozenset[str]:
    """The words that name nothing unless they are quoted."""
    cursor.execute("SELECT word FROM pg_catalog.pg_get_keywords() WHERE catcode IN ('R', 'T')")
    return frozenset(row[0] for row in cursor.fetchall())


def has_tables(cursor: Any, schema: str | None, beside: str) -> bool:
    """Whether a schema has any table of the application.

    Args:
        cursor: a psycopg2 cursor.
        schema: the schema; None for the first one of the search path.
        beside: the name of a table that does not count.
    """
    cursor.execute(TABLES_BESIDE, [schema, beside])
    return bool(cursor.fetchone()[0])


def session_basis(cursor: Any) -> list[str]:
    """What decides which table a name without a schema means: the search path, and the role that it may name."""
    cursor.execute("SELECT pg_catalog.current_setting('search_path'), current_user::text, session_user::text")
    return list(cursor.fetchone())


def session_role(cursor: Any) -> str:
    """The role that a session has logged in as, quoted where it must be."""
    cursor.execute("SELECT pg_catalog.quote_ident(session_user)")
    return str(cursor.fetchone()[0])


def spreading_relations(cursor: Any) -> frozenset[str]:
    """The user's relations a write to which may change other relations as well."""
    cursor.execute(SPREADING)
    return frozenset(row[0] for row in cursor.fetchall())


def read_heads(cursor: Any, table: str) -> tuple[str, ...]:
    """The revisions that Alembic's version table records, sorted; none where there is no such table.

    Args:
        cursor: an ungated cursor.
        table: the version table, quoted, with or without its schema.
    """
    cursor.execute("SELECT pg_catalog.to_regclass(%s) IS NOT NULL", [table])
    if not cursor.fetchone()[0]:
        return ()
    cursor.execute(f"SELECT version_num::text FROM {table} ORDER BY version_num")  # noqa: S608 - quoted
    return tuple(sorted(row[0] for row in cursor.fetchall()))
