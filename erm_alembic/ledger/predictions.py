"""How long revisions were to take, beside how long they took: how far a plan's numbers may be trusted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import psycopg2
from psycopg2 import sql
from psycopg2.extras import execute_values

from erm_alembic.errors import ErmError
from erm_alembic.ledger.store import open_ledger
from erm_alembic.postgres.catalog import tables_of
from erm_alembic.target import Target

__all__ = ["Range", "keep_predictions", "read_times"]

Range = tuple[float, float | None]
"""At least and at most, in milliseconds; None where nothing bounds it."""
TABLE = "prediction"
# The latest ones count: servers and data change.
LATEST = 100


def keep_predictions(target: Target, run_id: int, predictions: Mapping[str, Range]) -> None:
    """Keep how long the revisions of a run were to take.

    What was deployed is deployed: where this cannot be written, nothing happens.

    Args:
        target: the database.
        run_id: the run.
        predictions: by revision id.
    """
    if not predictions:
        return
    with contextlib.suppress(ErmError, psycopg2.Error), open_ledger(target) as ledger:
        ledger.create()
        with ledger.connection.cursor() as cursor:
            query = sql.SQL("INSERT INTO {} (run_id, revision, low_ms, high_ms) VALUES %s").format(ledger.table(TABLE))
            rows = [(run_id, revision, low, high) for revision, (low, high) in predictions.items()]
            execute_values(cursor, query.as_string(cursor), rows, page_size=len(rows))


def read_times(target: Target) -> tuple[tuple[Range, float], ...]:
    """What was predicted, and the time that it took in milliseconds, of the latest revisions that there are both of.

    Args:
        target: the database.
    """
    schema = target.settings.ledger.schema
    with target.reported(), open_ledger(target) as ledger, ledger.connection.cursor() as cursor:
        if not tables_of(cursor, schema, [TABLE]):
            return ()
        query = sql.SQL(
            "SELECT p.low_ms, p.high_ms, r.duration_ms FROM {} p JOIN {} r USING (run_id, revision)"
            " WHERE r.outcome = 'done' ORDER BY p.id DESC LIMIT %s"
        ).format(ledger.table(TABLE), ledger.table("revision"))
        cursor.execute(query, [LATEST])
        return tuple(((low, high), float(took)) for low, high, took in cursor.fetchall())
