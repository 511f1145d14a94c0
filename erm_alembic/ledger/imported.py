"""Write into the ledger what another tool ran: one run, ended, with its revisions, in the transaction of the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg2 import sql

from erm_alembic.ledger.encoding import Source, beside_placeholders, fitted
from erm_alembic.ledger.store import Ledger

__all__ = ["ImportedRevision", "record_import"]


@dataclass(frozen=True)
class ImportedRevision:
    """A revision that another tool ran.

    Args:
        revision: its id.
        message: its message.
        path: its file, relative to the project's folder.
        source: the file's text with its scripts.
        source_hash: SHA-256 of it.
        applied_at: when it was run, where the other tool says so.
        direction: `upgrade`; or `downgrade`, for one that is not there although the ledger had it.
    """

    revision: str
    message: str
    path: str
    source: str = field(repr=False)
    source_hash: str
    applied_at: datetime
    direction: str = "upgrade"


def record_import(
    connection: Any,
    schema: str,
    revisions: Sequence[ImportedRevision],
    *,
    environment: str,
    role: str,
    git_commit: str | None,
    mode: str = "import",
    overrides: Sequence[tuple[str, str]] = (),
) -> int:
    """Write the run and its revisions on the given connection, in its transaction.

    Args:
        connection: a psycopg2 connection in a transaction.
        schema: the ledger's schema.
        revisions: what was run, in order.
        environment: the profile.
        role: the database role.
        git_commit: the project's commit.
        mode: what kind of run it was.
        overrides: the rules that were let pass, each with its reason; of a repair, what was done and why.

    Returns:
        The run's number.
    """
    ledger = Ledger(connection, schema)
    run_id = ledger.start_run(
        mode=mode,
        environment=environment,
        role=role,
        backend_pid=connection.info.backend_pid,
        git_commit=git_commit,
        overrides=overrides,
    )
    placed = beside_placeholders(sql.Identifier(schema), connection)
    with connection.cursor() as cursor:
        for each in revisions:
            values = [
                *(run_id, each.revision, each.message, each.direction, each.applied_at, 0, 0),
                *(each.path, Source(each.source), each.source_hash, "done", None),
            ]
            cursor.execute(ledger.revision_insert(), fitted(values, connection))
        cursor.execute(
            sql.SQL("UPDATE {}.run SET finished_at = clock_timestamp(), outcome = 'done' WHERE id = %s").format(placed),
            [run_id],
        )
    return run_id
