"""What is written and looked at when a revision has run, in the revision's own transaction: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import STATUS_BEGIN, TRANSACTION_STATUS_IDLE
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.errors import Refused
from erm_alembic.execute.step import StepUnderWay
from erm_alembic.ledger.encoding import fitted
from erm_alembic.ledger.store import Ledger
from erm_alembic.postgres.deploy_lock import STILL_HELD, lock_holder, try_deploy_lock
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.login_role import AS_BEFORE, AS_LOGIN_ROLE

__all__ = ["open_last_transaction", "record_revision"]

AS_BEFORE_AND_HELD = sql.SQL(", ").join([AS_BEFORE, sql.SQL(STILL_HELD)])


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
    raw: GatedConnection,
    ledger: Ledger,
    run_id: int,
    step: StepUnderWay,
    *,
    has_progress: bool,
    tell: Callable[[str], None],
) -> None:
    """Write that a revision is done, and see that the deploy lock is still held: in one round trip to the server.

    The ledger belongs to the login role; a revision may act as another one, and goes on doing so.

    Args:
        raw: the migration's connection, in the revision's transaction.
        ledger: where it is written.
        run_id: the run.
        step: the revision.
        has_progress: whether the ledger has noted how far it came, which is of no use any more.
        tell: told when the revision freed the deploy lock.

    Raises:
        Refused: it freed the lock, and another deployer has taken it.
    """
    statements: list[sql.Composable] = [AS_LOGIN_ROLE, ledger.revision_insert()]
    values: list[Any] = fitted(step.ledger_row(run_id, "done"), raw)
    if has_progress:
        statements.append(ledger.progress_delete())
        values += [step.revision, step.direction]
    with raw.cursor(cursor_factory=PlainCursor) as cursor:
        cursor.execute(sql.SQL(";").join([*statements, AS_BEFORE_AND_HELD]), values)
        row = cursor.fetchone()
        if row is None or not row[1]:
            _take_again(cursor, step.revision, tell)


def _take_again(cursor: Any, revision: str, tell: Callable[[str], None]) -> None:
    freed = f"{revision} freed the deploy lock (DISCARD ALL, or pg_advisory_unlock_all())"
    if not try_deploy_lock(cursor):
        raise Refused(
            f"Revision {freed}, and another deployer has taken it: {lock_holder(cursor)}.",
            effect=f"The transaction under way of revision {revision} was undone; what stands before it stays.",
            cure="Take that out of the revision; run the command again when the other deployer is done.",
        )
    tell(f"Revision {freed}; it was taken again at once.")
