"""Compares what a revision sends with what was approved, each statement before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn

from erm_alembic.errors import Refused
from erm_alembic.execute.approved.left_out import Noted
from erm_alembic.execute.resuming.resume import Resume
from erm_alembic.planning.divergence import Divergence, shown_sql, sure_statements
from erm_alembic.planning.terms import StatementTerms, StepTerms
from erm_alembic.postgres.intercept import GatedConnection, GatedCursor, Send

__all__ = ["Compared", "Comparison"]


class Comparison:
    """Follows a revision along what was approved of it.

    Args:
        step: the approved step.
        certain: how many of its statements were approved; None for all.
        reads: the texts that were seen to read only.
        notes: gives the notes of what is committed and was not sent again so far: only that may be left out.
        name: the plan's file, for messages.
    """

    def __init__(
        self, step: StepTerms, certain: int | None, reads: Collection[str], notes: Callable[[], Noted], name: str
    ) -> None:
        self._step, self._notes, self._name = step, notes, name
        self._is_partial = certain is not None
        self._sure = sure_statements(step, certain)
        self._reads = frozenset(reads)
        self.begin()

    def begin(self) -> None:
        """The revision begins, for the first time or once more."""
        self._next = 0
        self._noted = self._notes()
        self._left_out: list[StatementTerms] = []
        self._refused: Refused | None = None

    def raise_kept(self) -> None:
        """Raise again a refusal that the revision has kept to itself.

        Raises:
            Refused: there is one.
        """
        if self._refused is not None:
            raise self._refused

    def compare(self, statement: StatementTerms) -> None:
        """A statement is about to be sent.

        Args:
            statement: it.

        Raises:
            Refused: it is not the one that was approved.
        """
        self.raise_kept()
        claimed: list[str] = []
        for at in range(self._next, len(self._sure)):
            if _same(self._sure[at], statement):
                self._left_out += self._sure[self._next : at]
                self._next = at + 1
                return
            known = self._noted.claim(self._sure[at])
            if known is None:
                break
            claimed.append(known)
        for known in claimed:
            self._noted.give_back(known)
        if statement.sql in self._reads:
            return
        if self._next < len(self._sure) or not self._is_partial:
            self._refuse(self._sure[self._next] if self._next < len(self._sure) else None, statement)

    def end(self) -> None:
        """The revision has sent all that it sends.

        Raises:
            Refused: something that was approved is missing.
        """
        self.raise_kept()
        left_out = [*self._left_out, *self._sure[self._next :]]
        # What was sent again, and passed over, stands for itself: no other statement may be left out for it.
        noted = self._notes() if left_out else self._noted
        for each in left_out:
            if noted.claim(each) is None:
                self._refuse(each, None)

    def _refuse(self, approved: StatementTerms | None, found: StatementTerms | None) -> NoReturn:
        step = self._step
        what = (
            f"{step.place(found or approved)}: revision {step.revision} sends another statement than {self._name} has."
        )
        if found is not None:
            found = StatementTerms.told(found.sql, parameter_sets=found.parameter_sets, line=found.line)
        self._refused = Refused(
            str(Divergence(what, *shown_sql(approved, found))),
            effect=f"It was not sent. The transaction under way of revision {step.revision} was undone; what stands "
            "before it stays.",
            cure="Plan again, and have that approved; where its statements depend on data, with --approve-partial "
            f"{step.revision}.",
        )
        raise self._refused


def _same(approved: StatementTerms, found: StatementTerms) -> bool:
    # Where it stands in a transaction or not was compared already, with the whole recording.
    return approved.parameter_sets == found.parameter_sets and approved.allows(found)


class Compared:
    """A passage that compares each statement before it goes on.

    Args:
        within: what else stands between the revision and the server.
        comparison: what compares.
    """

    def __init__(self, within: Resume, comparison: Comparison) -> None:
        self._within, self._comparison = within, comparison

    @property
    def has_progress(self) -> bool:
        """Whether the ledger may have notes of the revision."""
        return self._within.has_progress

    def begin(self) -> None:
        """The revision's function is about to run, for the first time or once more."""
        self._within.begin()
        self._comparison.begin()

    def raise_kept(self) -> None:
        """Raise again a refusal that the revision has kept to itself."""
        self._comparison.raise_kept()
        self._within.raise_kept()

    def check(self) -> None:
        """The revision's function has ended: raise what it kept to itself, or what it has not sent."""
        self._within.check()
        self._comparison.end()

    def pass_through(
        self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], line: int | None, send: Send
    ) -> None:
        """Send a statement, if it is the one that was approved."""
        self._comparison.compare(StatementTerms(sql, parameter_sets=len(parameters), line=line))
        self._within.pass_through(cursor, sql, parameters, line, send)

    def committing(self, connection: GatedConnection) -> None:
        """A transaction of the revision is about to be committed."""
        self._within.committing(connection)

    def rolled_back(self, connection: GatedConnection) -> None:
        """A transaction of the revision was rolled back."""
        self._within.rolled_back(connection)
