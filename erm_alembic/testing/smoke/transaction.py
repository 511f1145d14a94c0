"""The transactions of smoke tests: one a test, always rolled back, and looked at before and afterwards."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NoReturn

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import (
    ISOLATION_LEVEL_READ_COMMITTED,
    ISOLATION_LEVEL_REPEATABLE_READ,
    TRANSACTION_STATUS_IDLE,
    TRANSACTION_STATUS_INERROR,
    TRANSACTION_STATUS_INTRANS,
)
from psycopg2.extensions import connection as Psycopg2Connection

from erm_alembic.config.redaction import first_line
from erm_alembic.postgres.reaching_outside import reaching_outside
from erm_alembic.postgres.rolled_back import (
    fate_of,
    forbid_commits,
    given_transaction_id,
    identity,
    prepare_session,
    used_sequences,
)
from erm_alembic.postgres.text.rolled_back import OUTSIDE, OWN_SAVEPOINT
from erm_alembic.testing.smoke.connection import SmokeConnection, plain_cursor, set_autocommit
from erm_alembic.testing.smoke.escapes import Escape, Escapes
from erm_alembic.testing.smoke.savepoints import Savepoints
from erm_alembic.testing.smoke.terms import Terms, Traces
from erm_alembic.testing.smoke.turns import Turns

__all__ = ["SmokeTransaction"]

MAY_NOT = "GRANT TEMPORARY ON DATABASE to the login role: tests that write need it, those that only read do not."
NO_ROLE = "Correct smoke.role in erm.yaml, or GRANT that role to the login role."
NOT_UNDONE = (
    "a transaction was rolled back while a later one of another thread was open; what it wrote was seen to the end of"
    " its test, as both are savepoints of one"
)
NESTED = "@pytest.mark.erm_smoke(nested_commits=True) lets what the test calls end a savepoint there instead."
BETWEEN = "What the application commits between two tests was rolled back with the one before."
WITH_CONNECTION = "its connection was lost, and its transaction has no id by which to ask what became of it"
NOT_ASKED = "its transaction had ended before it did; whether something was committed after that is not known"
ABORTED = "aborted"


class _Here(threading.local):
    """What goes on in one thread.

    `ending` is whose transaction is about to end; `is_left_open` whether a connection that is handed over was told to
    commit each statement by itself.
    """

    is_handed_over = False
    is_left_open = False
    ending: object | None = None


class SmokeTransaction:
    """Holds a connection in one transaction after the other.

    Args:
        connection: the connection.
        escapes: told what is refused.
        major: the server's major version.
        limits: milliseconds by setting.
        role: what the tests act as; None for the login role.
    """

    def __init__(
        self, connection: SmokeConnection, escapes: Escapes, *, major: int, limits: Mapping[str, int], role: str | None
    ) -> None:
        self.connection, self.escapes, self.role = connection, escapes, role
        # What is not known to be rolled back of the latest test, in words.
        self.doubt: str | None = None
        self.limits: Mapping[str, int] = limits
        self.traces = Traces()
        # What acts outside of transactions by what it calls: the database's own functions, tables with triggers.
        self.outside: frozenset[str] = frozenset()
        self.is_lost = False
        self._major, self._wanted = major, limits
        self._identity = ""
        self._savepoints = Savepoints(self._send)
        self._here = _Here()
        self._turns = Turns()
        connection.holder = self  # for good: between two tests, too, nobody ends or begins anything

    @property
    def terms(self) -> Terms | None:
        """What the test that runs may do; None while none runs."""
        return self._turns.terms

    def turn(self) -> AbstractContextManager[Terms | None]:
        """Have the connection, and what the test may do; None where none runs."""
        return self._turns.turn()

    def look_around(self) -> None:
        """Learn what of the database acts outside of its transactions."""
        self._in_autocommit(lambda cursor: self._learn(reaching_outside(cursor, OUTSIDE)))

    def _learn(self, outside: frozenset[str]) -> None:
        self.outside = outside

    def begin(self, terms: Terms) -> None:
        """Begin the transaction of a test, in a session that is as new.

        Args:
            terms: what the test may do.

        Raises:
            Escape: the connection is lost.
        """
        with self._turns.alone():
            self.doubt = None
            if self.is_lost or self.connection.closed:
                raise _lost()
            self._let_go()
            self._in_autocommit(lambda cursor: prepare_session(cursor, self._major, self._wanted))
            level = ISOLATION_LEVEL_READ_COMMITTED if terms.writes else ISOLATION_LEVEL_REPEATABLE_READ
            # Read only as far as psycopg2 knows: what it begins by itself once this one is over cannot write.
            Psycopg2Connection.set_session(self.connection, isolation_level=level, readonly=True)
            with plain_cursor(self.connection) as cursor:
                if terms.writes:
                    cursor.execute("SET TRANSACTION READ WRITE")
                    with self._or_in_words("have the server refuse to commit", MAY_NOT):
                        forbid_commits(cursor)
                if self.role is not None:
                    with self._or_in_words(f"act as {self.role!r}", NO_ROLE):
                        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(self.role)))
                self._identity = identity(cursor)
                self.traces = Traces(given_transaction_id(cursor))
            self._here.is_handed_over, self._here.ending = False, None
            self._savepoints.begin(self)
            self._turns.terms = terms

    @contextlib.contextmanager
    def _or_in_words(self, what: str, cure: str) -> Iterator[None]:
        try:
            yield
        except psycopg2.Error as error:
            self._let_go()
            said = f"The test could not {what}: {first_line(error)}"
            raise Escape(said, effect="The test was not run.", cure=cure) from None

    def end(self) -> None:
        """Roll the transaction back, and make sure that it was the one that was begun; `traces` are what is left of it.

        Raises:
            Escape: it had ended before, or something of it is committed.
        """
        with self._turns.alone():
            self._turns.terms = None  # whoever waits for its turn waits for the next test
            if not self.connection.closed:
                self._end()
                return
            self.is_lost = True
            if self.traces.transaction_id is None:  # else the server is asked from outside
                self.doubt = WITH_CONNECTION

    def _end(self) -> None:
        if self._status() == TRANSACTION_STATUS_IDLE or self.is_lost:
            self._end_lost(None)
        try:
            self._savepoints.go_back(first=True)
            with plain_cursor(self.connection) as cursor:
                same = identity(cursor) == self._identity
                number = given_transaction_id(cursor) or self.traces.transaction_id
                self.traces = Traces(number, used_sequences(cursor))
            Psycopg2Connection.rollback(self.connection)
        except psycopg2.Error as error:
            self._end_lost(error)
        if not same or self._status() != TRANSACTION_STATUS_IDLE or (number is not None and self._fate() != ABORTED):
            self._end_lost(None)

    def _end_lost(self, error: psycopg2.Error | None) -> NoReturn:
        self.is_lost, self.doubt = True, NOT_ASKED
        self._let_go()
        said = f" The server says: {first_line(error)}" if error is not None else ""
        is_aborted = self._fate() == ABORTED
        became = "It was rolled back; what came after it may be committed" if is_aborted else "It may be committed"
        self.escapes.refuse(
            f"The transaction of the test had ended before the test did.{said}",
            effect=f"{became}; no further test is run.",
            cure="Find what ended it: the first test that failed says which it is.",
        )

    def _fate(self) -> str | None:
        """What the server says became of the transaction; None where it has no id, or nobody can be asked."""
        number, fates = self.traces.transaction_id, []
        if number is not None:
            with contextlib.suppress(psycopg2.Error):
                self._in_autocommit(lambda cursor: fates.append(fate_of(cursor, number)))
        return fates[0] if fates else None

    @property
    def is_handed_over(self) -> bool:
        """Whether a pool opens, or puts back, what it takes for a connection: what it ends then is nothing."""
        return self._here.is_handed_over

    @is_handed_over.setter
    def is_handed_over(self, value: bool) -> None:
        self._here.is_handed_over = value

    def commit(self) -> None:
        """Refuse to commit; a test with nested commits ends the savepoint of whoever commits."""
        owner, self._here.ending = self._here.ending, None
        with self._turns.alone():
            if self.is_handed_over:
                return
            if self.terms is None:
                self.escapes.note(BETWEEN)
                return
            if not self.terms.nested_commits:
                self.escapes.refuse(
                    "A smoke test wants to commit: its transaction is always rolled back.",
                    effect="Nothing was committed.",
                    cure=f"Use flush() to send what is pending. {NESTED}",
                )
            if owner is not None and self._status() == TRANSACTION_STATUS_INTRANS:
                self._savepoints.release(owner)
            elif owner is not None:
                self._savepoints.undo(owner, at_any_cost=True)

    def rollback(self) -> None:
        """Go back to the savepoint of whoever rolls back; whoever has none goes back to the latest.

        Between two tests all is rolled back already.
        """
        owner, self._here.ending = self._here.ending, None
        with self._turns.alone():
            has_failed = self._status() == TRANSACTION_STATUS_INERROR
            if self.terms is None or (self.is_handed_over and not has_failed):
                return
            if owner is None:
                self._savepoints.go_back()
            elif not self._savepoints.undo(owner, at_any_cost=has_failed) and self.terms.writes:
                self.escapes.note(NOT_UNDONE)

    def autocommits(self, value: bool) -> None:
        """Refuse that each statement commits by itself.

        While a pool opens a connection that may be for a moment, which whoever takes it then finds to be over.

        Args:
            value: whether it is switched on.

        Raises:
            Escape: it is, and no pool opens the connection.
        """
        self._here.is_left_open = value and self.is_handed_over
        if value:
            self.refuse_to_leave("switch autocommit on")

    def is_taken(self) -> None:
        """A pool hands a connection out.

        Raises:
            Escape: it was opened in autocommit, as `isolation_level="AUTOCOMMIT"` of an engine has it.
        """
        self._here.is_handed_over = False
        self.autocommits(self._here.is_left_open)

    def refuse_to_leave(self, what: str) -> None:
        """Refuse what would end the transaction; while a pool opens a connection, it may believe that it was done.

        Args:
            what: what was tried, after "to".
        """
        if not self.is_handed_over:
            self.escapes.refuse(
                f"A smoke test wants to {what}: its transaction would end.",
                cure="Leave the connection as it is for what a smoke test runs.",
            )

    def push(self, owner: object) -> None:
        """Set a savepoint for somebody who believes that this is a transaction of its own.

        Args:
            owner: whose.
        """
        with self._turns.turn() as terms:
            if terms is not None:  # else its statements are refused, if it sends any
                self._savepoints.push(owner)

    def ends(self, owner: object) -> None:
        """Somebody is about to commit or to roll back.

        Args:
            owner: who.
        """
        self._here.ending = owner

    def check(self, cause: BaseException | None = None) -> None:
        """Make sure that the transaction is still under way after a statement.

        Args:
            cause: what the statement raised.

        Raises:
            Escape: it is not.
        """
        if not self.connection.closed and self._status() == TRANSACTION_STATUS_IDLE:
            self.is_lost = True
            said = f" The server says: {first_line(cause)}" if cause is not None else ""
            self.escapes.refuse(
                f"The transaction of the smoke test is over, although the test is not.{said}",
                effect="Nothing more is sent.",
                cure="Find the statement that ended it, and leave it out.",
            )

    def _send(self, statement: str, number: int) -> None:
        self.check()
        with plain_cursor(self.connection) as cursor:
            cursor.execute(sql.SQL(statement).format(sql.Identifier(f"{OWN_SAVEPOINT}{number}")))

    def _status(self) -> int:
        return int(self.connection.info.transaction_status)

    def _in_autocommit(self, work: Any) -> None:
        set_autocommit(self.connection, True)
        try:
            with plain_cursor(self.connection) as cursor:
                found = work(cursor)
            if isinstance(found, dict):
                self.limits = found
        finally:
            if not self.connection.closed:
                set_autocommit(self.connection, False)

    def _let_go(self) -> None:
        with contextlib.suppress(psycopg2.Error):
            Psycopg2Connection.rollback(self.connection)


def _lost() -> Escape:
    return Escape(
        "The connection of the smoke tests, or the transaction of an earlier one, was lost.",
        effect="The test was not run.",
        cure="See the first test that failed. The server ends a session that is idle in its transaction for too long.",
    )
