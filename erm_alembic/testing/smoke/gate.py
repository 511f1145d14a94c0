"""What every statement of a smoke test passes before the server gets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS, encodings

from erm_alembic.postgres.intercept import GatedCursor
from erm_alembic.postgres.rolled_back import clamp, let_constraints_pass
from erm_alembic.postgres.text.literals import without_literals
from erm_alembic.postgres.text.rolled_back import makes_constraints_immediate, objection
from erm_alembic.render.safe import clip
from erm_alembic.testing.smoke.connection import plain_cursor
from erm_alembic.testing.smoke.terms import Terms
from erm_alembic.testing.smoke.transaction import SmokeTransaction

__all__ = ["SmokeGate"]

SHOWN = 100


class SmokeGate:
    """Refuses what would outlive the transaction, and looks afterwards whether it is still there.

    Args:
        transaction: what holds the connection.
    """

    def __init__(self, transaction: SmokeTransaction) -> None:
        self._transaction = transaction
        # What decides how the server reads a text; it tells the client of each change.
        self._reads = {"standard_conforming_strings": "on", "client_encoding": self._told("client_encoding")}

    def _told(self, name: str) -> str | None:
        return self._transaction.connection.info.parameter_status(name) or None

    def _must_be_read_alike(self) -> None:
        """The server reads a text as we do: else what is a string here may be a statement there."""
        __tracebackhide__ = True
        for name, value in self._reads.items():
            if self._told(name) not in (value, None):
                self._transaction.escapes.refuse(
                    f"{name} is not {value!r} any more, so that statements cannot be read.", effect="Nothing is sent."
                )

    def pass_through(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Callable[[], None]) -> None:
        """Send a statement, or refuse it.

        Args:
            cursor: the cursor it comes through.
            sql: the text with its placeholders.
            parameters: the sets of parameters.
            send: sends it.

        Raises:
            Escape: it would outlive the transaction, or has ended it.
        """
        __tracebackhide__ = True
        with self._transaction.turn() as terms:
            self._pass_through(cursor, sql, parameters, send, terms)

    def _pass_through(
        self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Callable[[], None], terms: Terms | None
    ) -> None:
        __tracebackhide__ = True
        transaction = self._transaction
        texts = list(_as_sent(cursor, sql, parameters))
        if terms is None:
            transaction.escapes.refuse(
                f"A statement is sent while no smoke test runs: {_shown(sql)}",
                effect="It was not sent.",
                cure="Query the database within tests and their fixtures, not while modules are imported.",
            )
        self._must_be_read_alike()
        for text in texts:
            found = objection(text, writes=terms.writes, outside=transaction.outside)
            if found is not None:
                transaction.escapes.refuse(
                    f"Refused in a smoke test, because {found}: {_shown(sql)}",
                    effect="It was not sent.",
                    cure=_cure(found, terms.writes),
                )
        if terms.writes and len(texts) == 1 and makes_constraints_immediate(texts[0]):
            with plain_cursor(transaction.connection) as own:
                let_constraints_pass(own, transaction.role)
            return
        self._sent(send)

    def rowcount(self, cursor: GatedCursor) -> int:
        """Nothing is held back here, but for constraints that were checked in another way."""
        return -1

    def _sent(self, send: Callable[[], None]) -> None:
        __tracebackhide__ = True
        transaction = self._transaction
        try:
            send()
        except BaseException as error:
            transaction.check(error)
            raise
        transaction.check()
        self._must_be_read_alike()
        # Whatever the text says: functions set limits, too.
        if transaction.connection.info.transaction_status == TRANSACTION_STATUS_INTRANS:
            with plain_cursor(transaction.connection) as own:
                clamp(own, transaction.limits)


def _as_sent(cursor: GatedCursor, sql: str, parameters: Sequence[Any]) -> Iterator[str]:
    """The very texts that the server gets, values within: what a value is made into may be more than a value."""
    if cursor.composed is not None:
        yield cursor.composed
        return
    if not parameters:
        yield sql
    for values in parameters:
        try:
            sent = cursor.mogrify(sql, values)
        except (psycopg2.Error, TypeError, KeyError, IndexError, ValueError):
            yield sql  # which the driver cannot send either, and says so
            continue
        yield sent.decode(encodings[cursor.connection.encoding])


def _shown(sql: str) -> str:
    return clip(without_literals(sql), SHOWN)


def _cure(found: str, writes: bool) -> str:
    if "changes rows" in found and not writes:
        return "@pytest.mark.erm_smoke(writes=True) lets a test change rows; they are rolled back all the same."
    if "commits" in found or "transaction" in found:
        return "Leave the transaction to erm; begin_nested() gives savepoints."
    return "docs/smoke.md says what a smoke test may send, and why."
