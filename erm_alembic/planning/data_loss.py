"""What a rollback would lose: the drops among its recorded statements, counted on the live database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2
from psycopg2 import sql

from erm_alembic.planning.model import DataLoss, Statement, Step
from erm_alembic.postgres.text.drops import Drop, drops_in
from erm_alembic.target import Target

__all__ = ["count_losses", "loses_data"]

# Counting must not hold up a rollback at three in the morning: past this it says "unknown".
COUNT_TIMEOUT = "10s"


def loses_data(losses: tuple[DataLoss, ...]) -> bool:
    """Whether rows or values exist that would be lost, or it is not known."""
    return any(loss.rows is None or loss.rows > 0 for loss in losses)


def count_losses(target: Target, steps: tuple[Step, ...], search_path: str) -> tuple[DataLoss, ...]:
    """Count the rows and values that the recorded drops would lose.

    Args:
        target: the database.
        steps: the recorded downgrades.
        search_path: the search_path that the downgrades run under.
    """
    dropping = [(step, statement, drop) for step, statement, drop in _drops(steps)]
    if not dropping:
        return ()
    with contextlib.closing(target.connect_read_only("erm plan")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.set_config('search_path', %s, false)", [search_path])
            cursor.execute("SELECT pg_catalog.set_config('statement_timeout', %s, false)", [COUNT_TIMEOUT])
            losses = [
                DataLoss(drop.kind, drop.name, _count(cursor, drop), step.revision, statement.line)
                for step, statement, drop in dropping
            ]
    return tuple(losses)


def _drops(steps: tuple[Step, ...]) -> Iterator[tuple[Step, Statement, Drop]]:
    for step in steps:
        for statement in step.statements:
            if not statement.read:
                for drop in drops_in(statement.literal or statement.sql):
                    yield step, statement, drop


def _count(cursor: Any, drop: Drop) -> int | None:
    if drop.kind == "statement":
        return None
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*drop.table))
    if drop.column:
        query += sql.SQL(" WHERE {} IS NOT NULL").format(sql.Identifier(drop.column))
    try:
        # The DELETE's own WHERE, which the session, being read-only, can only evaluate.
        cursor.execute(query.as_string(cursor) + " " + drop.condition)
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn, psycopg2.errors.InvalidSchemaName):
        return 0  # it is not there (any more), so it cannot be lost
    except psycopg2.Error:
        return None
    return int(cursor.fetchone()[0])
