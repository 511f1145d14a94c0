"""Rows of one database copied into another one of the same schema, as a sample to try a data migration on."""

from __future__ import annotations

import tempfile
from typing import Any

import psycopg2
from psycopg2 import sql

__all__ = ["copy_rows", "sampled_table"]

TABLE = """
    SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = pg_catalog.to_regclass(%s) AND c.relkind IN ('r', 'p')
"""
COLUMNS = """
    SELECT pg_catalog.quote_ident(a.attname), pg_catalog.pg_get_serial_sequence(%(table)s, a.attname)
      FROM pg_catalog.pg_attribute a
     WHERE a.attrelid = %(table)s::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
     ORDER BY a.attnum
"""


def sampled_table(cursor: Any, name: str) -> str | None:
    """The whole name of a table, quoted where it must be; None when there is none of that name.

    Args:
        cursor: of the session whose search_path counts.
        name: as SQL names it.
    """
    try:
        cursor.execute(TABLE, [name])
    except psycopg2.Error:  # not even a name
        return None
    row = cursor.fetchone()
    return None if row is None else str(row[0])


def copy_rows(source: Any, scratch: Any, table: str, rows: int) -> None:
    """Copy so many rows of a table, whichever the server finds first; triggers and foreign keys do not look at them.

    Args:
        source: a read-only connection.
        scratch: a connection to a scratch database with the same schema; the rows are committed there.
        table: the table's whole name, quoted where it must be.
        rows: how many at most.
    """
    with source.cursor() as reading, scratch.cursor() as writing, tempfile.TemporaryFile() as between:
        writing.execute(COLUMNS, {"table": table})
        columns = writing.fetchall()
        named = sql.SQL(", ").join(sql.SQL(name) for name, _ in columns)
        copied = sql.SQL("COPY (SELECT {} FROM {} LIMIT {}) TO STDOUT").format(named, sql.SQL(table), sql.Literal(rows))
        reading.copy_expert(copied.as_string(reading), between)
        between.seek(0)
        writing.execute("SET LOCAL session_replication_role = replica")
        writing.copy_expert(
            sql.SQL("COPY {} ({}) FROM STDIN").format(sql.SQL(table), named).as_string(writing), between
        )
        for name, sequence in columns:
            if sequence is not None:  # or the next row that a revision adds has a number that is taken
                highest = sql.SQL("SELECT pg_catalog.setval({}, max({})) FROM {} HAVING max({}) IS NOT NULL")
                column = sql.SQL(name)
                writing.execute(highest.format(sql.Literal(sequence), column, sql.SQL(table), column))
        scratch.commit()
