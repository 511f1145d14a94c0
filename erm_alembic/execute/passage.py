"""What stands between a revision's function and the server: which of its statements are sent, and what follows then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from erm_alembic.execute.step import StepUnderWay
from erm_alembic.postgres.intercept import GatedConnection, GatedCursor, Send
from erm_alembic.postgres.text.nature import nature

__all__ = ["AllSent", "NothingSent", "Passage"]


class Passage(Protocol):
    """The passage of one revision, for all tries at it."""

    @property
    def has_progress(self) -> bool:
        """Whether the ledger may have notes of the revision, which are of no use once it is recorded."""

    def begin(self) -> None:
        """The revision's function is about to run, for the first time or once more after it was rolled back.

        Raises:
            Refused: what is committed of it cannot be gone on with.
        """

    def raise_kept(self) -> None:
        """Raise again a refusal that the revision, or the ORM within it, has made another error of.

        Raises:
            Refused: the revision cannot be gone on with.
        """

    def check(self) -> None:
        """The revision's function has ended: raise again what it kept to itself, or what it left out.

        Raises:
            Refused: the revision cannot be gone on with.
        """

    def pass_through(
        self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], line: int | None, send: Send
    ) -> None:
        """Send a statement of the revision, or do not.

        Args:
            cursor: what it comes through.
            sql: the text with its placeholders.
            parameters: the sets of parameters.
            line: its line in the revision's file.
            send: sends it; may be called twice, where the server refuses it within a transaction.
        """

    def committing(self, connection: GatedConnection) -> None:
        """A transaction of the revision is about to be committed, before the revision's own end."""

    def rolled_back(self, connection: GatedConnection) -> None:
        """A transaction of the revision was rolled back."""


class _Open:
    """A passage that lets everything through, and keeps nothing."""

    def begin(self) -> None:
        """There is nothing to begin with."""

    def raise_kept(self) -> None:
        """Nothing was kept to itself."""

    def check(self) -> None:
        """Nothing was left out."""

    def pass_through(
        self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], line: int | None, send: Send
    ) -> None:
        """Send it."""
        send()

    def committing(self, connection: GatedConnection) -> None:
        """Nothing is noted."""

    def rolled_back(self, connection: GatedConnection) -> None:
        """Nothing was noted."""


class NothingSent(_Open):
    """The passage of a revision whose function is not run, because its work was done by hand."""

    has_progress = True


class AllSent(_Open):
    """The passage of a revision that is one transaction, known from its beginning to its end: nothing can be half done.

    Args:
        step: the revision.
    """

    has_progress = False

    def __init__(self, step: StepUnderWay) -> None:
        self._step = step

    def pass_through(
        self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], line: int | None, send: Send
    ) -> None:
        """Send it, and remember where a rollback may not take back what it does."""
        self._step.sent_what_may_last = self._step.sent_what_may_last or nature(sql).lasts
        send()
