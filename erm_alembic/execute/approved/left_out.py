"""What of an approved revision may be left out when it is gone on with: only what is noted as committed, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from erm_alembic.execute.resuming.fingerprint import bare, digest
from erm_alembic.ledger.progress import DoneStatement
from erm_alembic.planning.terms import StatementTerms

__all__ = ["Noted"]


class Noted:
    """The notes of a revision, each of which stands for one statement that need not be sent any more.

    Args:
        salt: what their hashes begin with.
        notes: the notes.
    """

    def __init__(self, salt: str, notes: Sequence[DoneStatement]) -> None:
        self._salt = salt
        self._left = Counter(known for note in notes for known in (note.digest, note.shape.partition(":")[0]))

    def claim(self, approved: StatementTerms) -> str | None:
        """Take the note of an approved statement; None where there is none, or none is left.

        Args:
            approved: the statement.
        """
        if not self._left:
            return None
        # Values are in no plan: a statement that has some, or that hides some, is known by the rest of its text.
        has_values = approved.parameter_sets > 0 or approved.sealed is not None
        known = bare(self._salt, approved.sql) if has_values else digest(self._salt, approved.sql, [], None)
        if self._left[known] <= 0:
            return None
        self._left[known] -= 1
        return known

    def give_back(self, known: str) -> None:
        """A note was not needed after all."""
        self._left[known] += 1
