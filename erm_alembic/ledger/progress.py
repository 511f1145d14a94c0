"""How far a revision came that is committed in part: one row a statement, until the revision itself is recorded.

A revision that runs in one transaction has no such rows: it is there whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from psycopg2 import sql

from erm_alembic.ledger.encoding import unpacked

__all__ = ["DoneStatement", "HalfDone", "NewProgress", "forget_statement", "insert_statement", "read_half_done"]


@dataclass(frozen=True)
class DoneStatement:
    """A statement of a half-done revision that the database keeps, or that was under way when its run ended.

    Args:
        ordinal: its number within the revision, counted from 1.
        line: its line in the revision's file, where it is known.
        sql: the text on one line, cut off, with its literals hidden.
        tag: what the server answered, as in `INSERT`; the first words of the text while it is only started.
        state: `done`; or `started`: it runs outside a transaction, and nobody noted its end.
        rowcount: how many rows it touched; -1 where the server does not say.
        at: when it was done, or started, with time zone.
        digest: what it is known by again: a hash over its text and parameters.
        shape: a hash over its text without any value.
        reads: a hash over what the revision had read until then.
        indexes_before: the OIDs of the indexes that were there when it started.
        temporary: whether the session had temporary tables, which are gone with it.
    """

    ordinal: int
    line: int | None
    sql: str
    tag: str
    state: Literal["started", "done"]
    rowcount: int
    at: datetime
    digest: str = field(default="", repr=False)
    shape: str = field(default="", repr=False)
    reads: str = field(default="", repr=False)
    indexes_before: tuple[int, ...] = field(default=(), repr=False)
    temporary: bool = field(default=False, repr=False)


@dataclass(frozen=True)
class HalfDone:
    """A revision of which a part is committed although it is not recorded as done.

    Args:
        revision: its id.
        direction: `upgrade` or `downgrade`.
        run_id: the run that came furthest with it, the latest one.
        path: its file as it was then, relative to the project's folder.
        source_hash: SHA-256 of that file's bytes, hexadecimal.
        statements: what is committed, in order; the last one may be `started`.
        source: the file's text as it was then.
        salt: what the hashes of its statements begin with.
    """

    revision: str
    direction: str
    run_id: int
    path: str
    source_hash: str
    statements: tuple[DoneStatement, ...]
    source: str = field(default="", repr=False)
    salt: str = field(default="", repr=False)

    @property
    def interrupted(self) -> DoneStatement | None:
        """The statement that was under way outside a transaction when the run ended; None when all ended."""
        last = self.statements[-1]
        return last if last.state == "started" else None


@dataclass(frozen=True)
class NewProgress:
    """A row to be written: a statement of a revision under way.

    Args:
        run_id: the run.
        revision: the revision's id.
        direction: `upgrade` or `downgrade`.
        path: its file.
        source: the file's text; None on all but the first row of an attempt.
        source_hash: SHA-256 of the file's bytes.
        salt: what the hashes begin with.
        statement: the statement itself; its time is the server's.
    """

    run_id: int
    revision: str
    direction: str
    path: str
    source: str | None
    source_hash: str
    salt: str
    statement: DoneStatement

    def values(self) -> list[Any]:
        """The parameters of `insert_statement`."""
        each = self.statement
        return [
            *(self.run_id, self.revision, self.direction, self.path, self.source, self.source_hash, self.salt),
            *(each.ordinal, each.line, each.sql, each.tag, each.rowcount, each.state),
            *(each.digest, each.shape, each.reads, list(each.indexes_before), each.temporary),
        ]


def insert_statement(schema: sql.Composable) -> sql.Composed:
    """The statement that writes one row; its parameters are `NewProgress.values()`."""
    return sql.SQL(
        "INSERT INTO {schema}.progress (run_id, revision, direction, path, source, source_hash, salt, ordinal, line,"
        " sql, tag, rowcount, state, digest, shape, reads, indexes_before, temporary)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::oid[], %s)"
    ).format(schema=schema)


def forget_statement(schema: sql.Composable) -> sql.Composed:
    """The statement that removes a revision's rows; its parameters are the revision and the direction."""
    return sql.SQL("DELETE FROM {schema}.progress WHERE revision = %s AND direction = %s").format(schema=schema)


COLUMNS = (
    "revision, direction, run_id, path, source_hash, source, salt, ordinal, line, sql, tag, state, rowcount, at,"
    " digest, shape, reads, indexes_before::bigint[], temporary"
)


def read_half_done(cursor: Any, schema: sql.Composable) -> tuple[HalfDone, ...]:
    """The half-done revisions, the one that was worked on last comes first.

    Args:
        cursor: a psycopg2 cursor.
        schema: the ledger's schema, quoted for a statement with placeholders.
    """
    cursor.execute(
        sql.SQL("SELECT {columns} FROM {schema}.progress ORDER BY revision, direction, ordinal, id").format(
            columns=sql.SQL(COLUMNS), schema=schema
        )
    )
    found = [_half_done(list(rows)) for _, rows in groupby(cursor.fetchall(), key=lambda row: row[:2])]
    return tuple(sorted(found, key=lambda each: max(one.at for one in each.statements), reverse=True))


def _half_done(rows: Sequence[tuple[Any, ...]]) -> HalfDone:
    latest = max(rows, key=lambda row: (row[2], row[7]))
    return HalfDone(
        revision=latest[0],
        direction=latest[1],
        run_id=latest[2],
        path=latest[3],
        source_hash=latest[4],
        source=_source(rows),
        salt=latest[6],
        statements=tuple(_statements(rows)),
    )


def _source(rows: Sequence[tuple[Any, ...]]) -> str:
    """The text that the latest attempt ran; it is kept once an attempt."""
    kept = [(row[2], row[5]) for row in rows if row[5] is not None]
    return unpacked(max(kept)[1]) if kept else ""


def _statements(rows: Iterable[tuple[Any, ...]]) -> Iterable[DoneStatement]:
    for row in rows:
        ordinal, line, text, tag, state, rowcount, at, digest, shape, reads, indexes, temporary = row[7:]
        yield DoneStatement(
            *(ordinal, line, text, tag, state, rowcount, at, digest, shape, reads),
            indexes_before=tuple(indexes),
            temporary=temporary,
        )
