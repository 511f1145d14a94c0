"""What a rollback would lose: the drops among its recorded statements, counted on the live database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.planning.model import DataLoss, Statement, Step
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.reading import READING_GUARD
from erm_alembic.postgres.text.drops import Drop, drops_in
from erm_alembic.postgres.text.side_effects import acts_outside_transaction, is_advisory_lock

__all__ = ["count_losses", "count_present"]

# Counting must not hold up a rollback at three in the morning: past the guard's limits it says "unknown".
BEFORE = f"SAVEPOINT erm_count; {READING_GUARD}"
AFTER = "ROLLBACK TO SAVEPOINT erm_count; RELEASE SAVEPOINT erm_count"


def count_losses(raw: GatedConnection, steps: Sequence[Step]) -> tuple[DataLoss, ...]:
    """Count the rows and values that the recorded drops would lose.

    Args:
        raw: the recording session, which has the role and the search_path that the downgrades will run with.
        steps: the recorded downgrades.
    """
    if raw.info.transaction_status == TRANSACTION_STATUS_INERROR:
        raw.rollback()
    with raw.cursor(cursor_factory=PlainCursor) as cursor:
        return tuple(
            DataLoss(drop.kind, drop.name, _count(cursor, drop), step.revision, statement.line)
            for step, statement, drop in _drops(steps)
        )


def _drops(steps: Sequence[Step]) -> Iterator[tuple[Step, Statement, Drop]]:
    for step in steps:
        for statement in step.statements:
            if not statement.read:
                for drop in drops_in(statement.literal or statement.sql):
                    yield step, statement, drop


def _count(cursor: Any, drop: Drop) -> int | None:
    if drop.kind == "statement" or acts_outside_transaction(drop.condition) or is_advisory_lock(drop.condition):
        return None
    # The DELETE's own WHERE, which the read-only session can only evaluate.
    return count_present(cursor, drop.table, drop.column, drop.condition)


def count_present(cursor: Any, table: Sequence[str], column: str | None = None, condition: str = "") -> int | None:
    """How many rows a table has, or how many values a column; None where that cannot be told in time.

    Args:
        cursor: an ungated cursor of a read-only session, with a transaction open.
        table: the parts of the table's name.
        column: the column, whose values count where they are not null; None for rows.
        condition: the end of the query as SQL, empty or from its `WHERE` on.
    """
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table))
    if column:
        query += sql.SQL(" WHERE {} IS NOT NULL").format(sql.Identifier(column))
    cursor.execute(BEFORE)
    try:
        cursor.execute(f"{query.as_string(cursor)} {condition}")
        return int(cursor.fetchone()[0])
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn, psycopg2.errors.InvalidSchemaName):
        return 0  # it is not there (any more), so it cannot be lost
    except psycopg2.Error:
        return None
    finally:
        cursor.execute(AFTER)
