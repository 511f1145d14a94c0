"""What was run on a database: who, when, how long, which file, how it ended. Kept in a schema of its own."""

from erm_alembic.ledger.model import RevisionRecord, RunRecord
from erm_alembic.ledger.progress import DoneStatement, HalfDone
from erm_alembic.ledger.store import Ledger, open_ledger

__all__ = ["DoneStatement", "HalfDone", "Ledger", "RevisionRecord", "RunRecord", "open_ledger"]
