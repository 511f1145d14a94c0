"""Runs that ended without a word, found by a run that has nothing to do: it leaves no row of its own."""

from __future__ import annotations

import contextlib

import psycopg2

from erm_alembic.errors import ErmError
from erm_alembic.ledger.store import open_ledger
from erm_alembic.postgres.deploy_lock import try_deploy_lock
from erm_alembic.target import Target

__all__ = ["close_dead_runs"]


def close_dead_runs(target: Target) -> None:
    """Write their end for runs that were killed between their last commit and their last word.

    While somebody deploys, nothing is written: that run may be the one without an end.

    Args:
        target: the database.
    """
    with contextlib.suppress(ErmError, psycopg2.Error), open_ledger(target) as ledger:
        latest = ledger.runs(limit=1)
        if not latest or latest[0].finished_at is not None:
            return
        with ledger.connection.cursor() as cursor:
            # Freed with the connection.
            if try_deploy_lock(cursor):
                ledger.close_runs_without_end()
