"""What is written and looked at when a revision has run, in the revision's own transaction: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg2.extensions import STATUS_BEGIN, TRANSACTION_STATUS_IDLE
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.execute.step import StepUnderWay
from erm_alembic.ledger.encoding import fitted
from erm_alembic.ledger.store import Ledger
from erm_alembic.postgres.deploy_lock import lock_holder, still_held, try_deploy_lock
from erm_alembic.postgres.intercept import GatedConnection

__all__ = ["keep_lock", "open_last_transaction", "record_revision"]


def keep_lock(raw: GatedConnection, revision: str, tell: Callable[[str], None]) -> None:
    """Take the deploy lock again when a revision freed it.

    Args:
        raw: the migration's connection.
        revision: the revision that has just run.
        tell: told when it was freed.

    Raises:
        RuntimeError: another deployer has taken it meanwhile.
    """
    with raw.cursor(cursor_factory=PlainCursor) as cursor:
        if still_held(cursor):
            return
        freed = f"{revision} freed the deploy lock (DISCARD ALL, or pg_advisory_unlock_all())"
        if not try_deploy_lock(cursor):
            raise RuntimeError(f"{freed}, and another deployer has taken it: {lock_holder(cursor)}")
    tell(f"Revision {freed}; it was taken again at once.")


def open_last_transaction(raw: GatedConnection) -> None:
    """See to it that what records a revision stands in one transaction, also where the revision has ended its own.

    Args:
        raw: the migration's connection.
    """
    if raw.info.transaction_status != TRANSACTION_STATUS_IDLE:
        return
    if raw.autocommit:
        raw.autocommit = False
    elif raw.status == STATUS_BEGIN:  # it sent COMMIT by itself, and psycopg2 does not know
        with raw.cursor(cursor_factory=PlainCursor) as cursor:
            cursor.execute("BEGIN")


def record_revision(
    raw: GatedConnection, ledger: Ledger, run_id: int, step: StepUnderWay, *, has_progress: bool
) -> None:
    """Write that a revision is done. The ledger belongs to the login role; a revision may act as another one.

    Args:
        raw: the migration's connection, in the revision's transaction.
        ledger: where it is written.
        run_id: the run.
        step: the revision.
        has_progress: whether the ledger has noted how far it came, which is of no use any more.
    """
    values: list[Any] = step.ledger_row(run_id, "done")
    with raw.cursor(cursor_factory=PlainCursor) as cursor:
        cursor.execute("SELECT pg_catalog.current_setting('role')")
        row = cursor.fetchone()
        role = row[0] if row else "none"
        cursor.execute("SELECT pg_catalog.set_config('role', 'none', true)")
        cursor.execute(ledger.revision_insert(), fitted(values, raw))
        if has_progress:
            cursor.execute(ledger.progress_delete(), [step.revision, step.direction])
        cursor.execute("SELECT pg_catalog.set_config('role', %s, true)", [role])
