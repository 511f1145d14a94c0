"""What a drop would take, looked up in the catalogs and counted: the rows of a table, the values of a column."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import errors as pg

from erm_alembic.postgres.reading import READING_GUARD
from erm_alembic.postgres.text.drops import Drop
from erm_alembic.postgres.text.lexer import tokens
from erm_alembic.postgres.text.side_effects import acts_outside_transaction, is_advisory_lock

__all__ = [
    "LOOK_SAVEPOINT",
    "Column",
    "column_of",
    "count",
    "exclusively_locked",
    "quoted_name",
    "relation_in",
    "rewritten_values",
    "schemas_of",
    "tables_and_columns",
    "values",
    "with_parts",
]

# Counting must not hold up a rollback at three in the morning: past the guard's limits it says "unknown". Rows that a
# policy hides from the role are dropped with the others: where it may not see them all, they are not counted at all.
LOOK_SAVEPOINT = "erm_count"
BEFORE = f"SAVEPOINT {LOOK_SAVEPOINT}; {READING_GUARD}; SET LOCAL row_security = off"
AFTER = f"ROLLBACK TO SAVEPOINT {LOOK_SAVEPOINT}; RELEASE SAVEPOINT {LOOK_SAVEPOINT}"

RELATION = """
    SELECT c.oid::bigint FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = %s AND c.relname = %s
"""
NAME = """
    SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s
"""
COLUMN = """
    SELECT a.attnum::int, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typname::text
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
     WHERE a.attrelid = %s AND a.attname = %s AND a.attnum > 0 AND NOT a.attisdropped
"""
PARTS = """
    WITH RECURSIVE parts AS (
        SELECT pg_catalog.unnest(%s::oid[]) AS oid
         UNION
        SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN parts p ON p.oid = i.inhparent
    )
    SELECT oid::bigint FROM parts
"""
TABLES = """
    SELECT c.oid::bigint, c.relnatts::int FROM pg_catalog.pg_class c
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.oid >= 16384
"""
LOCKED = """
    SELECT DISTINCT relation::bigint FROM pg_catalog.pg_lock_status()
     WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND mode = 'AccessExclusiveLock'
       AND relation = ANY(%s::oid[])
"""
INTEGERS = frozenset({"SMALLINT", "INT2", "INTEGER", "INT", "INT4", "BIGINT", "INT8"})
DECIMALS = frozenset({"NUMERIC", "DECIMAL"})
TIMES = frozenset({"TIMESTAMP", "TIMESTAMPTZ"})
# By a column's type, the types that take each of its values, or fail.
WHOLE = {
    **dict.fromkeys(("int2", "int4", "int8"), INTEGERS | DECIMALS),
    **dict.fromkeys(("date", "timestamp", "timestamptz"), TIMES),
    "float4": frozenset({"DOUBLE", "FLOAT8"}),
    "numeric": DECIMALS,
}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        number: its number, which no other column of the table ever has.
        type: its type, as SQL writes it.
        base: the name of that type without its limits.
    """

    number: int
    type: str
    base: str


def schemas_of(cursor: Any) -> tuple[str, ...]:
    """The schemas in which a name without one is looked for, a session's temporary one aside."""
    cursor.execute("SELECT pg_catalog.current_schemas(false)::text[]")
    return tuple(name for name in cursor.fetchone()[0] if not name.startswith("pg_temp_"))


def relation_in(cursor: Any, schema: str, name: str) -> int | None:
    """The object id of what bears a name; None where nothing does.

    Args:
        cursor: a plain cursor.
        schema: the schema, `pg_temp` for the session's own.
        name: the name.
    """
    if schema == "pg_temp":
        cursor.execute(
            "SELECT oid::bigint FROM pg_catalog.pg_class"
            " WHERE relnamespace = pg_catalog.pg_my_temp_schema() AND relname = %s",
            [name],
        )
    else:
        cursor.execute(RELATION, [schema, name])
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def quoted_name(cursor: Any, oid: int) -> str:
    """The name of a relation with its schema, quoted where it must be; empty where it is gone.

    Args:
        cursor: a plain cursor.
        oid: its object id.
    """
    cursor.execute(NAME, [oid])
    row = cursor.fetchone()
    return "" if row is None else str(row[0])


def column_of(cursor: Any, oid: int, name: str) -> Column | None:
    """A column of a table; None where it has none of that name.

    Args:
        cursor: a plain cursor.
        oid: the table's object id.
        name: the column's name.
    """
    cursor.execute(COLUMN, [oid, name])
    row = cursor.fetchone()
    return None if row is None else Column(*row)


def with_parts(cursor: Any, oids: Sequence[int]) -> tuple[int, ...]:
    """Tables with their partitions and heirs, down to the last.

    Args:
        cursor: a plain cursor.
        oids: their object ids.
    """
    cursor.execute(PARTS, [list(oids)])
    return tuple(row[0] for row in cursor.fetchall())


def tables_and_columns(cursor: Any) -> dict[int, int]:
    """All tables that outlive their session, by object id, each with the number of the column that it got last."""
    cursor.execute(TABLES)
    return dict(cursor.fetchall())


def exclusively_locked(cursor: Any, tables: Collection[int]) -> frozenset[int]:
    """Which of some tables this transaction has locked for itself alone, as whoever drops one does.

    Args:
        cursor: a plain cursor.
        tables: their object ids.
    """
    cursor.execute(LOCKED, [list(tables)])
    return frozenset(row[0] for row in cursor.fetchall())


def values(
    name: str, column: str | None = None, *, condition: str = "", alias: str = "", without: Sequence[int] = ()
) -> str:
    """The rows of a table, or those with a value in one column, from FROM on.

    Args:
        name: the table's name, quoted where it must be.
        column: the column; None for all rows.
        condition: the rest of the query as SQL, empty or from its WHERE on.
        alias: what the condition calls the table, where that is not its name.
        without: the object ids of the parts of it whose rows do not count.
    """
    table = name + (f" AS {_identifier(alias)}" if alias else "")
    if condition:
        return f"FROM {table} {condition}"
    wanted = [f"{_identifier(column)} IS NOT NULL"] if column else []
    if without:
        wanted.append(f"tableoid <> ALL (ARRAY[{', '.join(map(str, without))}]::pg_catalog.oid[])")
    return f"FROM {table}" + (f" WHERE {' AND '.join(wanted)}" if wanted else "")


def rewritten_values(name: str, drop: Drop, column: Column, *, live: str, alias: str = "") -> tuple[str, ...]:
    """The rows whose values are others after their column got another type and its old one again, from FROM on.

    Args:
        name: the table's name, quoted where it must be.
        drop: the change of the type.
        column: the column.
        live: its name.
        alias: what an expression calls the table, where that is not its name.

    Returns:
        The same question in several ways, of which the first that the server understands counts; none where no value
        can become another.
    """
    first = next((token.text.upper() for token in tokens(drop.type)), "")
    limited = any(token.text == "(" for token in tokens(drop.type))
    if not drop.using and not limited and first in WHOLE.get(column.base, ()):
        return ()
    here = _identifier(live)
    becomes = f"(({drop.using or here}\n)::{drop.type}\n)"
    # JSON has no equality of its own; its spelling is no value.
    kind, old = ("pg_catalog.jsonb", f"{here}::pg_catalog.jsonb") if column.base == "json" else (column.type, here)
    table = name + (f" AS {_identifier(alias)}" if alias else "")
    ways = (f"{becomes}::{kind}", f"{becomes}::pg_catalog.text::{kind}")
    return (
        *(f"FROM {table} WHERE {here} IS NOT NULL AND {way} IS DISTINCT FROM {old}" for way in ways),
        f"FROM {table} WHERE {here} IS NOT NULL AND ({ways[0]})::text IS DISTINCT FROM ({here})::text",
    )


def count(cursor: Any, ways: Sequence[str], schemas: Sequence[str] = ()) -> int | None:
    """How many rows there are; None where that cannot be told in time, or does more than read.

    Args:
        cursor: an ungated cursor, with a transaction open.
        ways: the question from FROM on, in several ways; the first that the server understands counts.
        schemas: where names without a schema are looked for; none where the session's own search_path holds.
    """
    for way in ways:
        if acts_outside_transaction(way) or is_advisory_lock(way):
            return None
        _begin(cursor, schemas)
        try:
            cursor.execute(f"SELECT count(*) {way}")
            return int(cursor.fetchone()[0])
        except (pg.CannotCoerce, pg.UndefinedFunction):
            continue
        except psycopg2.Error:
            return None
        finally:
            cursor.execute(AFTER)
    return None if ways else 0


def _begin(cursor: Any, schemas: Sequence[str]) -> None:
    cursor.execute(BEFORE)
    if schemas:
        path = ", ".join(_identifier(schema) for schema in schemas)
        cursor.execute("SELECT pg_catalog.set_config('search_path', %s, true)", [path])


def _identifier(name: str | None) -> str:
    return '"' + (name or "").replace('"', '""') + '"'
