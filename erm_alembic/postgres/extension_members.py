"""What extensions bring along, read from a database that has them: statements that make stand-ins where one has not.

A type becomes one that holds text, a function one that answers null (or a uuid, where it gives one), a table an empty
one. What takes code of the extension to work (operator classes, access methods, aggregates) is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg2 import sql

__all__ = ["read_members"]

OF = "JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'"
EXTENSION = "JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid"

COMMENTS = """
    SELECT extname, pg_catalog.obj_description(oid, 'pg_extension') FROM pg_catalog.pg_extension
     WHERE extname = ANY(%(names)s) AND pg_catalog.obj_description(oid, 'pg_extension') IS NOT NULL
"""

TYPES = f"""
    SELECT e.extname, n.nspname, t.typname, t.typtype, t.typmodin <> 0,
           CASE t.typtype WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
           ARRAY(SELECT enumlabel::text FROM pg_catalog.pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
           ARRAY(SELECT pg_catalog.quote_ident(attname) || ' ' || pg_catalog.format_type(atttypid, atttypmod)
                   FROM pg_catalog.pg_attribute
                  WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped ORDER BY attnum)
      FROM pg_catalog.pg_type t {OF} AND d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid {EXTENSION}
      JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
     WHERE e.extname = ANY(%(names)s) AND t.typtype IN ('b', 'd', 'e', 'c') AND t.typelem = 0
       AND (c.oid IS NULL OR c.relkind = 'c')
     ORDER BY t.oid
"""  # noqa: S608 - fixed parts

FUNCTIONS = f"""
    SELECT e.extname, n.nspname, p.proname, pg_catalog.pg_get_function_arguments(p.oid),
           pg_catalog.pg_get_function_identity_arguments(p.oid), pg_catalog.pg_get_function_result(p.oid),
           p.provolatile, p.proisstrict, p.prokind = 'p', p.prorettype = 'pg_catalog.uuid'::regtype,
           p.prorettype IN ('pg_catalog.trigger'::regtype), p.proretset OR p.proargmodes IS NOT NULL
      FROM pg_catalog.pg_proc p {OF} AND d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid {EXTENSION}
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE e.extname = ANY(%(names)s) AND p.prokind IN ('f', 'p')
       AND NOT EXISTS (
           SELECT FROM pg_catalog.unnest(p.proargtypes::oid[] || p.prorettype) AS used(type)
             JOIN pg_catalog.pg_type t ON t.oid = used.type
            WHERE t.typtype = 'p' AND t.typname NOT IN ('trigger', 'void', 'record')
              AND t.typname !~ '^any(element|array|nonarray|enum|range|compatible.*)$')
     ORDER BY p.oid
"""  # noqa: S608 - fixed parts

TABLES = f"""
    SELECT e.extname, n.nspname, c.relname,
           ARRAY(SELECT pg_catalog.quote_ident(attname) || ' ' || pg_catalog.format_type(atttypid, atttypmod)
                   FROM pg_catalog.pg_attribute
                  WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum)
      FROM pg_catalog.pg_class c {OF} AND d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid {EXTENSION}
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE e.extname = ANY(%(names)s) AND c.relkind IN ('r', 'v', 'm')
     ORDER BY c.oid
"""  # noqa: S608 - fixed parts

VOLATILITY = {"i": "IMMUTABLE", "s": "STABLE", "v": "VOLATILE"}


def read_members(cursor: Any, names: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """What makes stand-ins of the members of some extensions, each with its name for ALTER EXTENSION; by extension.

    Args:
        cursor: of a session of a database that has the extensions, in a transaction.
        names: the extensions.
    """
    cursor.execute("SELECT pg_catalog.set_config('search_path', '', true)")
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    cursor.execute(COMMENTS, {"names": list(names)})
    for extension, comment in cursor.fetchall():
        told = sql.SQL("COMMENT ON EXTENSION {} IS {}").format(sql.Identifier(extension), sql.Literal(comment))
        found[extension].append((told.as_string(cursor), ""))
    for query, made in ((TYPES, _of_type), (FUNCTIONS, _of_function), (TABLES, _of_table)):
        cursor.execute(query, {"names": list(names)})
        for extension, *told in cursor.fetchall():
            for statement, member in made(*told):
                found[extension].append((statement.as_string(cursor), member.as_string(cursor)))
    return found


Made = Iterator[tuple[sql.Composable, sql.Composable]]


def _of_type(
    schema: str, name: str, kind: str, takes_modifier: bool, base: str | None, labels: list[str], columns: list[str]
) -> Made:
    this = sql.Identifier(schema, name)
    if kind == "e":
        values = sql.SQL(", ").join(map(sql.Literal, labels))
        yield sql.SQL("CREATE TYPE {} AS ENUM ({})").format(this, values), sql.SQL("TYPE {}").format(this)
    elif kind == "d":
        yield sql.SQL("CREATE DOMAIN {} AS ").format(this) + sql.SQL(str(base)), sql.SQL("DOMAIN {}").format(this)
    elif kind == "c":
        yield (
            sql.SQL("CREATE TYPE {} AS (").format(this) + sql.SQL(", ".join(columns) + ")"),
            sql.SQL("TYPE {}").format(this),
        )
    else:
        yield from _base_type(this, schema, name, takes_modifier)


def _base_type(this: sql.Identifier, schema: str, name: str, takes_modifier: bool) -> Made:
    """A type that is stored and shown as text; where the real one takes a number (vector(3)), it takes one too."""
    read, write = (sql.Identifier(schema, f"erm_{name[:50]}_{way}") for way in ("in", "out"))
    modifier = ", TYPMOD_IN = varchartypmodin, TYPMOD_OUT = varchartypmodout" if takes_modifier else ""
    parts = [
        sql.SQL("CREATE TYPE {}").format(this),
        sql.SQL("CREATE FUNCTION {}(cstring) RETURNS {} LANGUAGE internal IMMUTABLE STRICT AS 'textin'").format(
            read, this
        ),
        sql.SQL("CREATE FUNCTION {}({}) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'").format(
            write, this
        ),
        sql.SQL("CREATE TYPE {} (INPUT = {}, OUTPUT = {}, STORAGE = extended" + modifier + ")").format(
            this, read, write
        ),
    ]
    yield sql.SQL("; ").join(parts), sql.SQL("TYPE {}").format(this)
    nothing = sql.SQL("SELECT 1")
    yield nothing, sql.SQL("FUNCTION {}(cstring)").format(read)
    yield nothing, sql.SQL("FUNCTION {}({})").format(write, this)


def _of_function(
    schema: str,
    name: str,
    arguments: str,
    identity: str,
    result: str | None,
    volatility: str,
    strict: bool,
    procedure: bool,
    gives_uuid: bool,
    trigger: bool,
    gives_rows: bool,
) -> Made:
    answer = "RETURN NEW" if trigger else "RETURN pg_catalog.gen_random_uuid()" if gives_uuid else "RETURN NULL"
    body = "NULL" if procedure or result == "void" else "RETURN" if gives_rows else answer
    nature = "" if procedure else f" {VOLATILITY[volatility]}{' STRICT' if strict else ''}"
    returns = "" if procedure else f" RETURNS {result}"
    kind = "PROCEDURE" if procedure else "FUNCTION"
    this = sql.Identifier(schema, name)
    # The parts in between come from the catalog's own functions, which quote them.
    yield (
        sql.SQL(f"CREATE {kind} {{}}(").format(this)
        + sql.SQL(f"{arguments}){returns} LANGUAGE plpgsql{nature} AS ")
        + sql.Literal(f"BEGIN {body}; END"),
        sql.SQL(f"{kind} {{}}(").format(this) + sql.SQL(f"{identity})"),
    )


def _of_table(schema: str, name: str, columns: list[str]) -> Made:
    this = sql.Identifier(schema, name)
    yield (
        sql.SQL("CREATE TABLE {} (").format(this) + sql.SQL(", ".join(columns) + ")"),
        sql.SQL("TABLE {}").format(this),
    )
