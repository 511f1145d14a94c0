"""What a proof says that a rollback loses, beyond the drops that its statements show, counted on the live database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.planning.data_loss import Way
from erm_alembic.planning.model import DataLoss, Step
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.text.words import name_parts, written_name
from erm_alembic.postgres.victims import count, quoted_name, values

__all__ = ["not_disproven", "proven_losses"]


def proven_losses(raw: GatedConnection, steps: Sequence[Step]) -> tuple[DataLoss, ...]:
    """Count the rows and values of what was seen to be lost, without what the statements drop: as many at most.

    Args:
        raw: a read-only connection to the target.
        steps: the downgrades, with their proofs.
    """
    with raw.cursor(cursor_factory=PlainCursor) as cursor:
        way = Way(cursor)
        return tuple(loss for step in steps for loss in _of_step(cursor, way, step))


def not_disproven(losses: Sequence[DataLoss], steps: Sequence[Step]) -> tuple[DataLoss, ...]:
    """The losses that a proof does not refute: rows were there, and each value of them came back.

    That says nothing of what is dropped, of which nobody knows whether it stands elsewhere too; it does say what an
    expression makes of values, where the database could not be asked because the new type is not there yet.

    Args:
        losses: what the statements show.
        steps: the downgrades, with their proofs.
    """
    lossless = {step.revision for step in steps if step.proof is not None and step.proof.data == "lossless"}
    return tuple(
        loss for loss in losses if not (loss.kind == "rewrite" and loss.rows is None and loss.revision in lossless)
    )


def _of_step(cursor: Any, way: Way, step: Step) -> list[DataLoss]:
    """What a proof names is called as it is before its step; the steps before it may have renamed it."""
    lost = step.proof.lost if step.proof is not None else ()
    found = [(name, *_on_database(way, name)) for name in lost]
    taken = set(way.victims_of(step))
    return [
        DataLoss("proven", name, rows, step.revision, now=now)
        for name, table, column in found
        if not {(table, None), (table, column)} & taken
        for rows, now in [_counted(cursor, way, name, table, column)]
    ]


def _on_database(way: Way, name: str) -> tuple[int, str | None]:
    """The table that a proof names, and the column, as the database has them; an empty column is not there."""
    parts = name_parts(name)
    table = way.names.table(parts[:2])
    if len(parts) < 3:
        return table, None
    return table, way.names.column(table, parts[2]) or ""


def _counted(cursor: Any, way: Way, name: str, table: int, column: str | None) -> tuple[int | None, str | None]:
    parts = name_parts(name)
    if table <= 0 or column == "":
        unknown = (not table and way.names.may_be(parts[1])) or (table > 0 and way.names.may_be(parts[-1]))
        return (None if unknown else 0), None
    now = quoted_name(cursor, table) + (f".{written_name([column])}" if column else "")
    return count(cursor, [values(quoted_name(cursor, table), column)]), None if now == name else now
