"""The rows of a backup sent to a server as they are, as text: what their types are is no matter for that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import psycopg2
from psycopg2 import sql

from erm_alembic.backup.archive import Archive, TableRows
from erm_alembic.config.dsn import DatabaseUrl

__all__ = ["CHUNK", "LineFile", "load_as_text"]

CHUNK = 256 * 1024


class LineFile:
    """Lines as a file, for COPY.

    Args:
        lines: the lines, each with its end.

    Example:
        >>> LineFile([b"a\\n", b"b\\n"]).read(3)
        b'a\\nb'
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines, self._rest = iter(lines), b""

    def read(self, size: int) -> bytes:
        """So many bytes, or what is left."""
        parts, length = [self._rest], len(self._rest)
        while length < size:
            line = next(self._lines, b"")
            if not line:
                break
            parts.append(line)
            length += len(line)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]


def load_as_text(url: DatabaseUrl, archive: Archive, tables: Iterable[str]) -> dict[str, int]:
    """Load the rows of tables into tables of text columns, as they are loaded to put lost data back.

    A backup of some tables lacks the types of their columns, so that they cannot be made as they were.

    Args:
        url: a scratch database.
        archive: the archive.
        tables: the tables, with their schema and quoted where they must be.

    Returns:
        How many rows of each table the server has taken.

    Raises:
        BackupError: the archive is damaged.
        psycopg2.Error: the server does not take a row.
    """
    found: dict[str, int] = {}
    with contextlib.closing(psycopg2.connect(url.dsn(), application_name="erm backup")) as connection:
        for number, rows in enumerate(archive.rows_of(tuple(tables))):
            with connection.cursor() as cursor:
                found[rows.table] = found.get(rows.table, 0) + _loaded(cursor, number, rows)
        connection.rollback()
    return found


def _loaded(cursor: Any, number: int, rows: TableRows) -> int:
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(f"c{n}")) for n, _ in enumerate(rows.columns))
    name = sql.Identifier(f"erm_rows_{number}")
    cursor.execute(sql.SQL("CREATE TEMPORARY TABLE {} ({})").format(name, columns))
    copy = sql.SQL("COPY {} FROM STDIN WITH (FORMAT text, ENCODING {})").format(name, sql.Literal(rows.encoding))
    cursor.copy_expert(copy, LineFile(rows.lines), CHUNK)
    return int(cursor.rowcount)
