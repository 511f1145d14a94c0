"""Drift of the history: what another migration tool has run, and Alembic's version table does not know."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import psycopg2
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.errors import UsageError
from erm_alembic.ledger.store import open_ledger
from erm_alembic.planning.model import Drift, Plan
from erm_alembic.postgres.foreign_history import read_foreign_history
from erm_alembic.revisions.facts import RevisionFacts
from erm_alembic.revisions.sql.layouts import LAYOUTS
from erm_alembic.target import Target

__all__ = ["foreign_histories"]

TABLES = tuple(dict.fromkeys(layout.table for layout in LAYOUTS))


def foreign_histories(target: Target, plan: Plan, pending: Sequence[RevisionFacts]) -> tuple[Drift, ...]:
    """What golang-migrate, dbmate or the Go erm has run of the revisions that a plan would run from the beginning.

    The database is asked only where no revision is recorded and the first one is written in SQL, as imported ones are.
    What the ledger has was taken over, or run by erm, and was taken back since.

    Args:
        target: the database.
        plan: the plan.
        pending: the facts of the files that would run.
    """
    if plan.current or plan.direction != "upgrade" or not pending or pending[0].downgrade.script is None:
        return ()
    with target.reported(), open_ledger(target) as ledger:
        known = ledger.applied_order()
    revisions = {form for facts in pending if facts.revision not in known for form in _forms(facts.revision)}
    found = []
    with target.reported(), contextlib.closing(target.connect_read_only("erm plan")) as raw:
        for table in TABLES:
            # A table that cannot be read, or not be told from another, is no reason to plan nothing.
            with contextlib.suppress(psycopg2.Error, UsageError), raw.cursor(cursor_factory=PlainCursor) as cursor:
                history = read_foreign_history(cursor, table)
                rows = () if history is None else history.rows
                ran = [row.version for row in rows if revisions & _forms(row.version)]
                if history is not None and ran:
                    found.append(_drift(history.table, ran))
            raw.rollback()
    return tuple(found)


def _forms(version: str) -> set[str | int]:
    """A version as text and as the number that it is."""
    return {version, int(version)} if version.isdecimal() else {version}


def _drift(table: str, ran: list[str]) -> Drift:
    return Drift(
        kind="foreign-history",
        object=table,
        source="history",
        expected="what another tool has run recorded in alembic_version",
        found=f"version {ran[-1]} in {table}, and no revision recorded",
    )
