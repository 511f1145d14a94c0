"""The note that a half-done revision is being taken back: from then on it is less than what the other notes say."""

from __future__ import annotations

from datetime import UTC, datetime

from erm_alembic.ledger.progress import DoneStatement, HalfDone, NewProgress, as_json
from erm_alembic.ledger.store import Ledger

__all__ = ["TAKING_BACK", "note_taking_back"]

# Its tag is that of no statement: an apply that comes upon it knows of no way to go on.
TAKING_BACK = "TAKE BACK"
COMMAND = "erm repair --take-back"
AFTER_ALL_OTHERS = (2**31 - 1,)


def note_taking_back(ledger: Ledger, found: HalfDone, run_id: int) -> None:
    """Write the note, at once.

    Args:
        ledger: the ledger, on a connection of its own.
        found: the half-done revision.
        run_id: the run that takes it back.
    """
    note = DoneStatement(
        line=None,
        sql=COMMAND,
        tag=TAKING_BACK,
        state="started",
        rowcount=-1,
        at=datetime.now(UTC),
        place=AFTER_ALL_OTHERS,
    )
    row = NewProgress(run_id, found.revision, found.direction, found.path, None, found.source_hash, found.salt, note)
    with ledger.connection.cursor() as cursor:
        cursor.execute(ledger.progress_insert(), [as_json([row], ledger.connection), True])
