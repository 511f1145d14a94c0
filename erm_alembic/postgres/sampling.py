"""Rows of one database copied into another one of the same schema, as a sample to try a data migration on."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import psycopg2
from psycopg2 import sql

__all__ = ["copy_rows", "empty_tables", "remove_dangling", "sampled_table"]

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

# Foreign keys that refer to one of the tables, or to what one of them is a partition of. A key over a period is not
# a matter of equal values.
REFERENCES = """
    SELECT k.conrelid::pg_catalog.regclass::text, k.confrelid::pg_catalog.regclass::text,
           ARRAY(SELECT pg_catalog.format('c.%%1$I OPERATOR(%%3$I.%%4$s) p.%%2$I', a.attname, b.attname, n.nspname,
                                          o.oprname)
                   FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey),
                                   pg_catalog.unnest(k.conpfeqop)) AS f(own, there, operator)
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = f.own
                   JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = f.there
                   JOIN pg_catalog.pg_operator o ON o.oid = f.operator
                   JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace),
           ARRAY(SELECT pg_catalog.format('c.%%I IS NOT NULL', a.attname)
                   FROM pg_catalog.pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
      FROM pg_catalog.pg_constraint k
     WHERE k.contype = 'f' AND k.conparentid = 0
       AND coalesce(pg_catalog.to_jsonb(k) ->> 'conperiod', 'false') = 'false'
       AND k.conrelid <> ALL (%(kept)s::pg_catalog.regclass[])
       AND k.confrelid IN (SELECT t FROM pg_catalog.unnest(%(tables)s::pg_catalog.regclass[]) AS t
                            UNION ALL
                           SELECT r FROM pg_catalog.unnest(%(tables)s::pg_catalog.regclass[]) AS t,
                                         pg_catalog.pg_partition_ancestors(t) AS r)
     ORDER BY 1, 2, k.conname
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


def empty_tables(scratch: Any, tables: Sequence[str]) -> None:
    """Remove the rows that revisions have written to tables, to make room for those of the target.

    Args:
        scratch: a connection to a scratch database.
        tables: their whole names, quoted where they must be.
    """
    with scratch.cursor() as writing:
        writing.execute("SET LOCAL session_replication_role = replica")
        for table in tables:
            writing.execute(sql.SQL("DELETE FROM {}").format(sql.SQL(table)))
        scratch.commit()


def remove_dangling(scratch: Any, tables: Sequence[str]) -> None:
    """Remove the rows of other tables that refer to a removed row which no copied row stands for; and so on.

    Args:
        scratch: a connection to a scratch database.
        tables: the whole names of the tables whose rows were replaced; their own references stay as they are.
    """
    touched = list(tables)
    with scratch.cursor() as writing:
        writing.execute("SET LOCAL session_replication_role = replica")
        while touched:
            writing.execute(REFERENCES, {"tables": touched, "kept": list(tables)})
            touched = []
            for child, parent, equal, given in writing.fetchall():
                removal = sql.SQL("DELETE FROM {} c WHERE {} AND NOT EXISTS (SELECT FROM {} p WHERE {})").format(
                    sql.SQL(child), sql.SQL(" AND ".join(given)), sql.SQL(parent), sql.SQL(" AND ".join(equal))
                )
                writing.execute(removal)
                if writing.rowcount:
                    touched.append(child)
        scratch.commit()


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
