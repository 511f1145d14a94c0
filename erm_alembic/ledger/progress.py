"""How far a revision came that is committed in part: one row a statement, until the revision itself is recorded.

A revision that runs in one transaction has no such rows: it is there whole, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from psycopg2 import sql

from erm_alembic.ledger.encoding import Source, fitted, unpacked
from erm_alembic.postgres.catalog import HAS_TEMPORARY

__all__ = [
    "DoneStatement",
    "HalfDone",
    "NewProgress",
    "as_json",
    "drop_statement",
    "finish_statement",
    "forget_statement",
    "insert_statement",
    "read_half_done",
]


@dataclass(frozen=True)
class DoneStatement:
    """A statement of a half-done revision that the database keeps, or that was under way when its run ended.

    Args:
        line: its line in the revision's file, where it is known.
        sql: the text on one line, cut off, with its literals hidden.
        tag: what the server answered, as in `INSERT`; what is known of its kind while it is only started.
        state: `done`; or `started`: it runs outside a transaction, and nobody noted its end.
        rowcount: how many rows it touched; -1 where the server does not say.
        at: when it was done, or started, with time zone.
        place: where it stands among the others; a later run puts what it does in between.
        digest: what it is known by again: a hash over its text and parameters.
        shape: a hash over its text without any value, a colon, and one over text and values without those of chance.
        reads: a hash over what the revision had read until then.
        columns: how many columns its answer had; 0 when it answered no rows.
        relations: the OIDs of what it is about, where it builds or rebuilds indexes, or detaches a partition, outside
            a transaction: the tables; the partitioned table and its partition.
        indexes_before: the OIDs of the indexes that these tables had when it started.
        index_name: the index that it builds, as the server names it; None where the server chooses the name.
        temporary: whether the session had temporary tables, which are gone with it.
        session: the server process that did it.
    """

    line: int | None
    sql: str
    tag: str
    state: Literal["started", "done"]
    rowcount: int
    at: datetime
    place: tuple[int, ...] = field(default=(), repr=False)
    digest: str = field(default="", repr=False)
    shape: str = field(default="", repr=False)
    reads: str = field(default="", repr=False)
    columns: int = field(default=0, repr=False)
    relations: tuple[int, ...] = field(default=(), repr=False)
    indexes_before: tuple[int, ...] = field(default=(), repr=False)
    index_name: str | None = field(default=None, repr=False)
    temporary: bool = field(default=False, repr=False)
    session: int = field(default=0, repr=False)


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
        scope: the version table that it is about: each tenant's schema may have one.
    """

    revision: str
    direction: str
    run_id: int
    path: str
    source_hash: str
    statements: tuple[DoneStatement, ...]
    source: str = field(default="", repr=False)
    salt: str = field(default="", repr=False)
    scope: str = ""


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
        statement: the statement itself; its time, and whether there are temporary tables, is the server's to say.
    """

    run_id: int
    revision: str
    direction: str
    path: str
    source: str | None
    source_hash: str
    salt: str
    statement: DoneStatement


def as_json(rows: Sequence[NewProgress], connection: Any) -> str:
    """Rows as the parameter of `insert_statement`, in characters that the database has.

    Args:
        rows: the rows.
        connection: the psycopg2 connection that sends them.
    """
    return json.dumps([_fields(row, connection) for row in rows], ensure_ascii=False)


def _fields(row: NewProgress, connection: Any) -> dict[str, Any]:
    each = row.statement
    texts = {"path": row.path, "source": row.source and Source(row.source), "sql": each.sql, "tag": each.tag}
    texts["index_name"] = each.index_name
    return {
        **dict(zip(texts, fitted(texts.values(), connection), strict=True)),
        **{name: getattr(row, name) for name in ("run_id", "revision", "direction", "source_hash", "salt")},
        **{name: getattr(each, name) for name in OF_STATEMENT},
    }


OF_STATEMENT = (
    *("place", "line", "rowcount", "columns", "state"),
    *("digest", "shape", "reads", "relations", "indexes_before"),
)
TYPES = (
    "run_id bigint, revision text, direction text, path text, source text, source_hash text, salt text,"
    " place integer[], line integer, sql text, tag text, rowcount bigint, columns integer, state text,"
    " digest text, shape text, reads text, relations oid[], indexes_before oid[],"
    " index_name text"
)
NEW_COLUMNS = ", ".join(name.split()[0] for name in TYPES.split(","))


def insert_statement(schema: sql.Composable, scope: sql.Composable) -> sql.Composed:
    """The statement that writes rows, unless the transaction has written nothing so far.

    Its parameters are the rows as `as_json` gives them, and whether they are written in any case.
    """
    return sql.SQL(
        "INSERT INTO {schema}.progress ({columns}, scope, temporary)"
        " SELECT {columns}, {scope}, {has_temporary} FROM pg_catalog.jsonb_to_recordset(%s::jsonb) AS new ({types})"
        " WHERE %s OR pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL"
    ).format(
        schema=schema,
        scope=scope,
        columns=sql.SQL(NEW_COLUMNS),
        has_temporary=sql.SQL(HAS_TEMPORARY),
        types=sql.SQL(TYPES),
    )


def finish_statement(schema: sql.Composable, scope: sql.Composable) -> sql.Composed:
    """The statement that notes the end of a started one: its tag, row count and columns; revision, direction, place."""
    return sql.SQL(
        "UPDATE {schema}.progress SET state = 'done', tag = %s, rowcount = %s, columns = %s, at = clock_timestamp()"
        " WHERE revision = %s AND direction = %s AND state = 'started' AND place = %s AND scope = {scope}"
    ).format(schema=schema, scope=scope)


def drop_statement(schema: sql.Composable, scope: sql.Composable) -> sql.Composed:
    """The statement that forgets a started one; its parameters are the revision, the direction and the place."""
    return sql.SQL(
        "DELETE FROM {schema}.progress"
        " WHERE revision = %s AND direction = %s AND state = 'started' AND place = %s AND scope = {scope}"
    ).format(schema=schema, scope=scope)


def forget_statement(schema: sql.Composable, scope: sql.Composable) -> sql.Composed:
    """The statement that removes a revision's rows; its parameters are the revision and the direction."""
    return sql.SQL("DELETE FROM {schema}.progress WHERE revision = %s AND direction = %s AND scope = {scope}").format(
        schema=schema, scope=scope
    )


COLUMNS = (
    "revision, direction, run_id, path, source_hash, source, salt, id, line, sql, tag, state, rowcount, at,"
    " place, digest, shape, reads, columns, relations::bigint[], indexes_before::bigint[],"
    " index_name, temporary, session, scope"
)


def read_half_done(cursor: Any, schema: sql.Composable, scope: str | None) -> tuple[HalfDone, ...]:
    """The half-done revisions, the one that was worked on last comes first.

    Args:
        cursor: a psycopg2 cursor.
        schema: the ledger's schema, quoted for a statement with placeholders.
        scope: only those of this version table; None means all.
    """
    cursor.execute(
        sql.SQL(
            "SELECT {columns} FROM {schema}.progress WHERE %s::text IS NULL OR scope = %s"
            " ORDER BY revision, direction, scope, place, id"
        ).format(columns=sql.SQL(COLUMNS), schema=schema),
        [scope, scope],
    )
    found = [_half_done(list(rows)) for _, rows in groupby(cursor.fetchall(), key=lambda row: (*row[:2], row[-1]))]
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
        scope=latest[-1],
        statements=tuple(_statement(row[8:-1]) for row in rows),
    )


def _source(rows: Sequence[tuple[Any, ...]]) -> str:
    """The text that the latest attempt ran; it is kept once an attempt."""
    kept = [(row[2], row[7], row[5]) for row in rows if row[5] is not None]
    return unpacked(max(kept)[2]) if kept else ""


def _statement(row: Sequence[Any]) -> DoneStatement:
    *whole, relations, indexes, index_name, temporary, session = row
    line, text, tag, state, rowcount, at, place, digest, shape, reads, columns = whole
    return DoneStatement(
        *(line, text, tag, state, rowcount, at, tuple(place), digest, shape, reads, columns),
        relations=tuple(relations),
        indexes_before=tuple(indexes),
        index_name=index_name,
        temporary=temporary,
        session=session,
    )
