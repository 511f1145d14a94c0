"""What a proof says that a rollback loses, beyond the drops that its statements show, counted on the live database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.planning.data_loss import count_present
from erm_alembic.planning.model import DataLoss, Step
from erm_alembic.postgres.catalog import whole_name
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.text.words import name_parts, written_name

__all__ = ["proven_losses"]


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
            for parts in [name_parts(name)]
            if parts not in counted and parts[:2] not in counted
        )


def _known(cursor: Any, loss: DataLoss) -> Iterator[tuple[str, ...]]:
    """A loss that a statement shows, under the whole name of its table."""
    if loss.kind == "statement":
        return
    parts = name_parts(loss.object)
    table, column = (parts[:-1], parts[-1:]) if loss.kind == "column" else (parts, ())
    if found := whole_name(cursor, written_name(table)):
        yield name_parts(found) + column


def _count(cursor: Any, parts: tuple[str, ...]) -> int | None:
    return count_present(cursor, parts[:2], parts[2] if len(parts) > 2 else None)
