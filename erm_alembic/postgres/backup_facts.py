"""What a backup has to know of a database, and a return of lost data of its tables: all of it from the catalogs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg2.errors

__all__ = [
    "DatabaseFacts",
    "KeptTable",
    "StoredTable",
    "database_facts",
    "database_names",
    "end_sessions",
    "has_tablespaces",
    "is_empty_database",
    "kept_table",
    "may_create_databases",
    "raise_sequence",
    "references_among",
    "stored_tables",
    "tables_in",
]

DATABASE = """
    SELECT d.datname::text, pg_catalog.pg_encoding_to_char(d.encoding)::text, d.datcollate::text, d.datctype::text,
           pg_catalog.pg_database_size(d.oid), pg_catalog.pg_get_userbyid(d.datdba)::text,
           pg_catalog.to_jsonb(d)
      FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""
# Of an extension's own tables pg_dump takes what the extension says, if anything.
TABLES = """
    SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text,
           c.relpages::bigint + coalesce(
               (SELECT t.relpages FROM pg_catalog.pg_class t WHERE t.oid = c.reltoastrelid), 0),
           coalesce((SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attnum)
                       FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}'),
           coalesce((SELECT pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
                       FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}'),
           coalesce((SELECT pg_catalog.array_agg(i.inhparent::bigint) FROM pg_catalog.pg_inherits i
                      WHERE i.inhrelid = c.oid), '{}'),
           pg_catalog.has_table_privilege(session_user, c.oid, 'SELECT')
               AND pg_catalog.has_schema_privilege(session_user, n.oid, 'USAGE'),
           pg_catalog.has_table_privilege(current_user, c.oid, 'SELECT')
               AND pg_catalog.has_schema_privilege(current_user, n.oid, 'USAGE')
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'
       AND n.nspname NOT LIKE 'pg\\_%'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                          AND d.deptype = 'e')
     ORDER BY n.nspname, c.relname
"""
# This opens each table, and waits for whoever holds it for themselves.
SIZES = """
    SELECT c.oid::bigint, pg_catalog.pg_table_size(c.oid) FROM pg_catalog.pg_class c WHERE c.oid = ANY(%s::oid[])
"""
COLUMNS = """
    SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> '',
           a.attidentity::text, a.attnotnull,
           CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
           pg_catalog.pg_get_serial_sequence(pg_catalog.quote_ident(n.nspname) || '.'
               || pg_catalog.quote_ident(c.relname), a.attname),
           CASE WHEN a.atthasmissing AND t.typcategory <> 'A' THEN a.attmissingval::text END
      FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
KEY = """
    SELECT a.attname::text FROM pg_catalog.pg_index i
      JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place) ON true
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE i.indrelid = %s AND i.indisprimary AND i.indisvalid AND k.place <= i.indnkeyatts ORDER BY k.place
"""
REFERENCES = """
    SELECT DISTINCT conrelid::bigint, confrelid::bigint FROM pg_catalog.pg_constraint
     WHERE contype = 'f' AND conrelid = ANY(%s::oid[]) AND confrelid = ANY(%s::oid[]) AND conrelid <> confrelid
"""
RELATION = """
    SELECT c.oid::bigint, c.relkind::text,
           (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger t
             WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A'))
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')
"""
EMPTY = """
    SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
                          AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f'))
"""


@dataclass(frozen=True)
class DatabaseFacts:
    """A database, as far as another one is made like it.

    Args:
        name: its name.
        encoding: its encoding, such as `UTF8`.
        collate: its LC_COLLATE.
        ctype: its LC_CTYPE.
        bytes: its size on the server's disk.
        owner: the role that owns it.
        provider: where its collation comes from: `libc`, `icu` or `builtin`.
        locale: the locale of a provider other than libc; None where there is none.
    """

    name: str
    encoding: str
    collate: str
    ctype: str
    bytes: int
    owner: str
    provider: str = "libc"
    locale: str | None = None


@dataclass(frozen=True)
class StoredTable:
    """A table of the application's, or of the ledger's.

    Args:
        oid: its object id.
        schema: its schema.
        name: its name.
        kind: `r` for a table with rows of its own, `p` for a partitioned one.
        bytes: its size without indexes; as of the last ANALYZE where somebody holds a table for themselves.
        columns: its columns in order, each with its type.
        parents: the object ids of what it is a partition or an heir of.
        login_reads: whether the role that logs in may read it.
        role_reads: whether `migrations.role` may, or that role again where there is none.
    """

    oid: int
    schema: str
    name: str
    kind: str
    bytes: int
    columns: Mapping[str, str]
    parents: tuple[int, ...] = ()
    login_reads: bool = True
    role_reads: bool = True


@dataclass(frozen=True)
class KeptColumn:
    """A column of a table that data goes back to.

    Args:
        name: its name.
        type: its type, as SQL has it.
        generated: whether it is computed from others.
        identity: `a` where the server always numbers it, `d` where it does by default; empty where it does not.
        not_null: whether it takes no null.
        default: its default as SQL; None where it has none.
        sequence: the sequence that belongs to it, quoted where it must be.
        missing: what rows have in it that were there before it, as an array of that one value; None where they have
            been written since, or it has no default.
    """

    name: str
    type: str
    generated: bool = False
    identity: str = ""
    not_null: bool = False
    default: str | None = None
    sequence: str | None = None
    missing: str | None = None


@dataclass(frozen=True)
class KeptTable:
    """A table that data goes back to.

    Args:
        oid: its object id.
        kind: `r` or `p`.
        triggers: how many triggers of its own may fire.
        columns: its columns by name.
        key: the columns of its primary key, in order; none where it has no primary key.
    """

    oid: int
    kind: str
    triggers: int
    columns: Mapping[str, KeptColumn] = field(default_factory=dict)
    key: tuple[str, ...] = ()


PAGE = 8192
SIZES_WAIT = "500ms"
PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


def database_facts(cursor: Any) -> DatabaseFacts:
    """What the database of a session is like.

    Args:
        cursor: a cursor that gives tuples.
    """
    cursor.execute(DATABASE)
    name, encoding, collate, ctype, size, owner, row = cursor.fetchone()
    provider = PROVIDERS.get(row.get("datlocprovider") or "c", "libc")
    locale = row.get("datlocale") or row.get("daticulocale")
    return DatabaseFacts(name, encoding, collate, ctype, size, owner, provider, locale)


def stored_tables(cursor: Any) -> tuple[StoredTable, ...]:
    """The tables of a database, without the server's and its extensions' own.

    Args:
        cursor: a cursor that gives tuples.
    """
    cursor.execute(TABLES)
    rows = cursor.fetchall()
    sizes = _sizes(cursor, [row[0] for row in rows if row[3] == "r"])
    return tuple(
        StoredTable(
            *(oid, schema, name, kind, sizes.get(oid, pages * PAGE)),
            dict(zip(names, types, strict=True)),
            tuple(parents),
            *readers,
        )
        for oid, schema, name, kind, pages, names, types, parents, *readers in rows
    )


def _sizes(cursor: Any, oids: Sequence[int]) -> dict[int, int]:
    """The sizes of tables; none where they are not told in time."""
    cursor.execute(f"SAVEPOINT erm_sizes; SET LOCAL lock_timeout = '{SIZES_WAIT}'")
    try:
        cursor.execute(SIZES, [list(oids)])
        return {oid: size for oid, size in cursor.fetchall() if size is not None}
    except psycopg2.errors.LockNotAvailable:
        return {}
    finally:
        cursor.execute("ROLLBACK TO SAVEPOINT erm_sizes; RELEASE SAVEPOINT erm_sizes")


def kept_table(cursor: Any, schema: str, name: str) -> KeptTable | None:
    """A table that data is to go back to; None where there is none of that name.

    Args:
        cursor: a cursor that gives tuples.
        schema: its schema.
        name: its name.
    """
    cursor.execute(RELATION, [schema, name])
    row = cursor.fetchone()
    if row is None:
        return None
    oid, kind, triggers = row
    cursor.execute(COLUMNS, [oid])
    columns = {each[0]: KeptColumn(*each) for each in cursor.fetchall()}
    cursor.execute(KEY, [oid])
    return KeptTable(oid, kind, triggers, columns, tuple(key for (key,) in cursor.fetchall()))


def references_among(cursor: Any, oids: Sequence[int]) -> frozenset[tuple[int, int]]:
    """Which of some tables refer to which: each pair is a table and the one that its foreign key leads to.

    Args:
        cursor: a cursor that gives tuples.
        oids: their object ids.
    """
    cursor.execute(REFERENCES, [list(oids), list(oids)])
    return frozenset(cursor.fetchall())


def tables_in(cursor: Any, schema: str) -> tuple[str, ...]:
    """The names of the tables of a schema, without those of extensions.

    Args:
        cursor: a cursor that gives tuples.
        schema: its name.
    """
    cursor.execute(TABLES)
    return tuple(row[2] for row in cursor.fetchall() if row[1] == schema)


def raise_sequence(cursor: Any, sequence: str, table: str, column: str) -> None:
    """Let a sequence go on after the greatest number of its column; it never goes back.

    Args:
        cursor: a cursor in a transaction.
        sequence: the sequence, quoted where it must be.
        table: the table, quoted where it must be.
        column: the column, quoted.
    """
    query = (
        "SELECT pg_catalog.setval(%s::pg_catalog.regclass, max({column})) FROM {table}"
        " HAVING max({column}) > (SELECT last_value FROM {sequence})"
    )
    cursor.execute(query.format(column=column, table=table, sequence=sequence), [sequence])


def database_names(cursor: Any) -> frozenset[str]:
    """The databases of a server."""
    cursor.execute("SELECT datname::text FROM pg_catalog.pg_database")
    return frozenset(name for (name,) in cursor.fetchall())


def may_create_databases(cursor: Any) -> tuple[bool, bool]:
    """Whether the session's role may create databases, and whether it is a superuser."""
    cursor.execute("SELECT rolcreatedb OR rolsuper, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")
    row: Sequence[bool] = cursor.fetchone()
    return bool(row[0]), bool(row[1])


def is_empty_database(cursor: Any) -> bool:
    """Whether nobody has made a table, a view or a sequence in the database of a session."""
    cursor.execute(EMPTY)
    return bool(cursor.fetchone()[0])


def has_tablespaces(cursor: Any) -> bool:
    """Whether a part of the cluster lies outside its data directory."""
    cursor.execute("SELECT count(*) FROM pg_catalog.pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')")
    return bool(cursor.fetchone()[0])


def end_sessions(cursor: Any, database: str) -> None:
    """End every session of a database.

    Args:
        cursor: of a session in another database.
        database: its name.
    """
    end = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = %s"
    cursor.execute(end, [database])
