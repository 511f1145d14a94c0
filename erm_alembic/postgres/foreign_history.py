"""The table in which another migration tool remembers what it ran, read by the columns that it really has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg2 import sql

from erm_alembic.errors import Refused, UsageError

__all__ = ["ForeignHistory", "ForeignRow", "read_foreign_history"]

TABLES = """
    SELECT n.nspname, c.relname,
           (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
           c.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(c.relname))
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND c.relname = %s AND (%s::text IS NULL OR n.nspname = %s)
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY 4 DESC NULLS LAST, 1
"""

VERSIONS = ("version", "version_id", "migration_id", "id")
TIMES = ("applied_at", "executed_at", "installed_on", "created_at", "migrated_at")
CHECKSUMS = ("checksum", "hash", "sha256", "up_checksum", "digest")
NAMES = ("name", "filename", "file_name", "description")
FLAGS = (("dirty", True), ("success", False), ("succeeded", False))
NOT_STAMPED = "Nothing was changed."


@dataclass(frozen=True)
class ForeignRow:
    """One row of the other tool.

    Args:
        version: the version as text.
        failed: whether the tool says that it did not come to its end.
        name: the migration's name, where the table has one.
        checksum: the checksum of the file that was run, where the table has one.
        applied_at: when it was run, with time zone, where the table says so.
    """

    version: str
    failed: bool = False
    name: str | None = None
    checksum: str | None = None
    applied_at: datetime | None = None


@dataclass(frozen=True)
class ForeignHistory:
    """What the other tool remembers.

    Args:
        table: its table, as `schema.name`.
        columns: the table's columns.
        rows: its rows.
    """

    table: str
    columns: tuple[str, ...]
    rows: tuple[ForeignRow, ...]


def read_foreign_history(cursor: Any, table: str) -> ForeignHistory | None:
    """Read the table of another tool.

    Args:
        cursor: a plain psycopg2 cursor.
        table: its name, with or without the schema.

    Returns:
        What it holds; None when there is no such table: the tool never ran here.

    Raises:
        UsageError: several schemas have one, and none of them is on the search path.
        Refused: it has no column for the version.
    """
    schema, _, name = table.rpartition(".")
    cursor.execute(TABLES, [name, schema or None, schema or None])
    found = cursor.fetchall()
    if not found:
        return None
    if len(found) > 1 and not found[0][3]:
        raise UsageError(
            f"Several schemas have a table {name}: {', '.join(row[0] for row in found)}.",
            effect=NOT_STAMPED,
            cure=f"Say which one is meant: --table {found[0][0]}.{name}",
        )
    schema, name, columns, _ = found[0]
    version = _first(columns, VERSIONS)
    if version is None:
        raise Refused(
            f"The table {schema}.{name} has no column for the version; its columns are {', '.join(columns)}.",
            effect=NOT_STAMPED,
            cure="Check that it is the other tool's table, or name another one: --table SCHEMA.NAME",
        )
    return ForeignHistory(f"{schema}.{name}", tuple(columns), _rows(cursor, schema, name, columns, version))


def _rows(cursor: Any, schema: str, table: str, columns: Sequence[str], version: str) -> tuple[ForeignRow, ...]:
    def as_text(column: str | None) -> sql.Composable:
        return sql.SQL("NULL::text") if column is None else sql.SQL("{}::text").format(sql.Identifier(column))

    applied = _first(columns, TIMES)
    flags = [
        sql.SQL("coalesce({}::text, '') = {}").format(
            sql.Identifier(column), sql.Literal("true" if meaning else "false")
        )
        for column, meaning in FLAGS
        if column in columns
    ]
    cursor.execute(
        sql.SQL("SELECT {}, {}, {}, {}, {} FROM {} ORDER BY 1").format(
            as_text(version),
            sql.SQL(" OR ").join(flags) if flags else sql.SQL("false"),
            as_text(_first(columns, NAMES)),
            as_text(_first(columns, CHECKSUMS)),
            sql.SQL("NULL") if applied is None else sql.Identifier(applied),
            sql.Identifier(schema, table),
        )
    )
    return tuple(
        ForeignRow(text, failed, name, checksum, _moment(at)) for text, failed, name, checksum, at in cursor.fetchall()
    )


def _first(columns: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _moment(value: Any) -> datetime | None:
    """A time with its zone; one that the table keeps without is taken for UTC."""
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
