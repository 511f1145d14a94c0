"""What a proof says that a rollback loses, beyond the drops that its statements show, counted on the live database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.planning.model import DataLoss, Step
from erm_alembic.postgres.catalog import whole_name
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.reading import READING_GUARD
from erm_alembic.postgres.text.lexer import tokens

__all__ = ["proven_losses"]

BEFORE = f"SAVEPOINT erm_count; {READING_GUARD}"
AFTER = "ROLLBACK TO SAVEPOINT erm_count; RELEASE SAVEPOINT erm_count"


def proven_losses(raw: GatedConnection, steps: Sequence[Step], known: Sequence[DataLoss]) -> tuple[DataLoss, ...]:
    """Count the rows and values of what was seen to be lost: as many are lost at most.

    Args:
        raw: a read-only connection to the target.
        steps: the downgrades, with their proofs.
        known: what their statements drop, which is counted already.
    """
    with raw.cursor(cursor_factory=PlainCursor) as cursor:
        counted = {parts for loss in known for parts in _known(cursor, loss)}
        return tuple(
            DataLoss("proven", name, _count(cursor, parts), step.revision)
            for step in steps
            if step.proof is not None
            for name in step.proof.lost
            for parts in [parts_of(name)]
            if parts not in counted and parts[:2] not in counted
        )


def parts_of(name: str) -> tuple[str, ...]:
    """The identifiers of a name with dots.

    Args:
        name: the name, its parts quoted where they must be.

    Example:
        >>> parts_of('public."Odd.Name".id')
        ('public', 'Odd.Name', 'id')
    """
    return tuple(token.name for token in tokens(name) if token.kind in ("word", "quoted"))


def _known(cursor: Any, loss: DataLoss) -> Iterator[tuple[str, ...]]:
    """A loss that a statement shows, under the whole name of its table."""
    if loss.kind == "statement":
        return
    parts = parts_of(loss.object)
    table, column = (parts[:-1], parts[-1:]) if loss.kind == "column" else (parts, ())
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in table)
    if found := whole_name(cursor, quoted):
        yield parts_of(found) + column


def _count(cursor: Any, parts: tuple[str, ...]) -> int | None:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*parts[:2]))
    if len(parts) > 2:
        query += sql.SQL(" WHERE {} IS NOT NULL").format(sql.Identifier(parts[2]))
    cursor.execute(BEFORE)
    try:
        cursor.execute(query.as_string(cursor))
        return int(cursor.fetchone()[0])
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn, psycopg2.errors.InvalidSchemaName):
        return 0  # it is not there (any more), so it cannot be lost
    except psycopg2.Error:
        return None
    finally:
        cursor.execute(AFTER)
