"""Revisions that failed when they were last tried, or were taken back because their release failed."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg2 import sql

from erm_alembic.ledger.encoding import fitted
from erm_alembic.postgres.catalog import tables_of

if TYPE_CHECKING:
    from erm_alembic.ledger.store import Ledger

__all__ = ["FailedBefore", "failed_before"]

# What became of each revision last. An interruption says nothing of the revision.
LATEST = """
    SELECT DISTINCT ON (r.revision) r.revision, r.run_id, r.started_at, r.direction, r.outcome
      FROM {revision} r JOIN {run} run ON run.id = r.run_id
     WHERE r.revision = ANY(%s) AND (r.outcome = 'done' OR (r.direction = 'upgrade' AND run.outcome = 'failed'))
     ORDER BY r.revision, r.id DESC
"""
TAKEN_BACK = "SELECT release_id, details FROM {stage} WHERE stage = 'rollback' AND outcome = 'done'"


@dataclass(frozen=True)
class FailedBefore:
    """A revision that did not go well.

    Args:
        revision: its id.
        run_id: the run in which it failed, or was taken back.
        at: when that run came to it.
        release_id: the release that took it back, where one did.
    """

    revision: str
    run_id: int
    at: datetime
    release_id: int | None = None


def failed_before(ledger: Ledger, schema: str, revisions: Collection[str]) -> tuple[FailedBefore, ...]:
    """Those of some revisions that failed when they were last tried.

    Args:
        ledger: the ledger.
        schema: its schema.
        revisions: their ids.
    """
    if not ledger.exists():
        return ()
    taken_back = _taken_back(ledger, schema)
    found = []
    with ledger.connection.cursor() as cursor:
        tables = {name: ledger.table(name) for name in ("revision", "run")}
        cursor.execute(sql.SQL(LATEST).format(**tables), fitted([list(revisions)], ledger.connection))
        for revision, run_id, at, direction, outcome in cursor.fetchall():
            if outcome == "failed":
                found.append(FailedBefore(revision, run_id, at))
            elif direction == "downgrade" and run_id in taken_back:
                found.append(FailedBefore(revision, run_id, at, taken_back[run_id]))
    return tuple(found)


def _taken_back(ledger: Ledger, schema: str) -> dict[int, int]:
    """The runs in which releases that failed went back, each with its release."""
    with ledger.connection.cursor() as cursor:
        if not tables_of(cursor, schema, ("release_stage",)):
            return {}
        cursor.execute(sql.SQL(TAKEN_BACK).format(stage=ledger.table("release_stage")))
        rows = [(release_id, json.loads(details)) for release_id, details in cursor.fetchall()]
    return {details["run"]: release_id for release_id, details in rows if details.get("run") is not None}
