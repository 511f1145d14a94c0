"""The gate of a trial: each statement is sent as a role without rights, and again with what the server asked for.

What it asks for is found out by giving it: all that may be meant, then as little of that as changes the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg2 import Error, errors
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.postgres.intercept import GatedCursor, Send
from erm_alembic.postgres.rights.fixes import Fix, apply_fix, options_for, take_back
from erm_alembic.postgres.rights.refusal import Refusal, refusal_in, refusal_of_notice
from erm_alembic.postgres.text.lexer import tokens
from erm_alembic.postgres.text.nature import Nature, nature
from erm_alembic.postgres.text.shared import Shared
from erm_alembic.shadow.rights.told import Need

__all__ = ["RightsGate"]

SAVEPOINT, FIX = "erm_right", "erm_right_given"
GRANTS = frozenset({"GRANT", "REVOKE"})
COPY = frozenset({"COPY"})
SETS = frozenset({"SET", "RESET"})
# What comes before the first statement of a transaction.
OF_TRANSACTIONS = ("TRANSACTION", "CHARACTERISTICS", "AUTHORIZATION")
# What a COPY into a table takes, and the schema that it stands in.
COPIES = frozenset({"INSERT", "USAGE"})


@dataclass(frozen=True)
class _Answer:
    """How the server answered.

    Args:
        refusal: what it wants; None where it wants nothing more.
        error: the error, of a refusal or another one.
    """

    refusal: Refusal | None = None
    error: Error | None = None

    @property
    def key(self) -> object:
        """The same for two answers that say the same."""
        if self.refusal is not None:
            return self.refusal
        return None if self.error is None else (type(self.error), str(self.error.diag.message_primary))


class RightsGate:
    """Sees each statement of the shadow's sessions.

    Args:
        probe: the role without rights.
        major: the server's major version.
        tell: told each right that was needed, once.
    """

    def __init__(self, probe: str, major: int, tell: Callable[[Need], None]) -> None:
        self._probe = probe
        self._major = major
        self._tell = tell
        self._told: set[Need] = set()
        self.revision = ""
        self.direction = "upgrade"

    def pass_through(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        """Send a statement, with the rights that it takes."""
        words, connection = nature(sql), cursor.connection
        if words.again and not words.reads and not _may_be_refused(words, sql):
            # What handles the session or the transaction is sent as it is, in its place.
            send()
            return
        if cursor.name is not None or words.mixes:
            self._act(connection)
            send()
            return
        if not (connection.autocommit and connection.info.transaction_status == TRANSACTION_STATUS_IDLE):
            self._within(connection, words, send)
        elif words.outside is not None:
            self._outside(connection, words, send)
        else:
            self._in_transaction_of_its_own(connection, words, send)

    def rowcount(self, cursor: GatedCursor) -> int:
        """What the cursor answers where nothing was sent."""
        return cursor.noted_rowcount

    def stood_in(self, statement: Shared) -> None:
        """A statement on what all databases share was not sent.

        Args:
            statement: which one.
        """
        words = [token.text.upper() for token in tokens(statement.text) if token.kind == "word"]
        named = words[0] if statement.verb in GRANTS else " ".join(words[:2])
        self._note(Need("SHARED", name=f"{statement.verb} ROLE" if statement.act == "role" else named))

    def _in_transaction_of_its_own(self, connection: Connection, words: Nature, send: Send) -> None:
        with _plain(connection) as side:
            side.execute("BEGIN")
        try:
            self._within(connection, words, send)
        except errors.ActiveSqlTransaction:  # it cannot run in one, which its words do not tell
            self._end(connection, "ROLLBACK")
            self._outside(connection, words, send)
            return
        except BaseException:
            self._end(connection, "ROLLBACK")
            raise
        self._end(connection, "COMMIT")

    @staticmethod
    def _end(connection: Connection, how: str) -> None:
        if not connection.closed:
            with _plain(connection) as side:
                side.execute(how)

    def _within(self, connection: Connection, words: Nature, send: Send) -> None:
        """A statement in a transaction: a refused one is taken back, and sent again with more rights."""
        acting = self._act(connection)
        with _plain(connection) as side:
            side.execute(f"SAVEPOINT {SAVEPOINT}")

        def attempt(fixes: Sequence[Fix]) -> _Answer:
            return self._attempt(connection, acting, fixes, words, send)

        fixes: list[Fix] = []
        answer = self._first(connection, words, send)
        while answer.refusal is not None:
            found = self._what_helps(connection, answer, fixes, attempt, copies=COPY.issuperset(words.kinds))
            if found is None:
                break
            fixes, answer = found
        if answer.error is not None:
            raise answer.error
        with _plain(connection) as side:
            side.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
        self._needed(acting, fixes)

    def _first(self, connection: Connection, words: Nature, send: Send) -> _Answer:
        del connection.notices[:]
        try:
            send()
        except errors.InsufficientPrivilege as error:
            told = " ".join(filter(None, (error.diag.message_detail, error.diag.message_hint)))
            return _Answer(refusal_in(error.diag.message_primary or "", told), error)
        return self._sent(connection, words)

    @staticmethod
    def _sent(connection: Connection, words: Nature) -> _Answer:
        """The answer to a statement that went through; a GRANT without the right to grant does so, and does nothing."""
        if GRANTS.isdisjoint(words.kinds):
            return _Answer()
        refusals = (refusal_of_notice(notice) for notice in connection.notices)
        return _Answer(next((each for each in refusals if each is not None), None))

    def _attempt(self, connection: Connection, acting: str, fixes: Sequence[Fix], words: Nature, send: Send) -> _Answer:
        """Take back what was done since the savepoint, give these rights, and send the statement again."""
        with _plain(connection) as side:
            side.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            _as(side, "none", local=True)
            given = [_given(side, fix, acting) for fix in fixes]
            if all(given):
                _as(side, acting, local=True)
        try:
            answer = self._first(connection, words, send)
        except Error as error:
            return _Answer(error=error)
        if not all(given) and answer.error is None:
            with _plain(connection) as side:
                _as(side, acting, local=True)
        return answer

    def _what_helps(
        self,
        connection: Connection,
        answer: _Answer,
        fixes: list[Fix],
        attempt: Callable[[Sequence[Fix]], _Answer],
        *,
        copies: bool,
    ) -> tuple[list[Fix], _Answer] | None:
        """As few further rights as change the answer, and the answer with them; None where none does."""
        assert answer.refusal is not None
        with _plain(connection) as side:
            side.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            _as(side, "none", local=True)
            options = options_for(side, answer.refusal, self._major)
        for group in options:
            if copies:  # what is copied is read once: it cannot be sent again to find out
                group = [fix for fix in group if fix.kind != "privilege" or fix.right in COPIES]
            after = attempt([*fixes, *group])
            if after.key == answer.key:
                continue
            if copies:
                return [*fixes, *group], after
            for fix in list(group) if len(group) > 1 else ():
                fewer = [each for each in group if each != fix]
                if fewer and attempt([*fixes, *fewer]).key == after.key:
                    group = fewer
            return [*fixes, *group], attempt([*fixes, *group])
        return None

    def _outside(self, connection: Connection, words: Nature, send: Send) -> None:
        """A statement that runs in no transaction: what is refused has done nothing, and is sent again."""
        acting = self._act(connection)
        fixes: list[Fix] = []
        answer = self._first(connection, words, send)
        while answer.refusal is not None:
            with _plain(connection) as side:
                _as(side, "none")
                options = options_for(side, answer.refusal, self._major)
            # Each by itself, the least far-reaching first; what does not help is taken back.
            for fix in [fix for group in options for fix in reversed(group)]:
                after = self._outside_with(connection, acting, answer, fix, words, send)
                if after.key != answer.key:
                    fixes.append(fix)
                    answer = after
                    break
            else:
                break
        if answer.error is not None:
            raise answer.error
        self._needed(acting, fixes)

    def _outside_with(
        self, connection: Connection, acting: str, before: _Answer, fix: Fix, words: Nature, send: Send
    ) -> _Answer:
        """Send a statement that runs in no transaction, with a further right."""
        with _plain(connection) as side:
            _as(side, "none")
            try:
                given = apply_fix(side, fix, acting)
            except Error:
                return before
            if given:
                _as(side, acting)
        try:
            answer = self._first(connection, words, send)
        except Error as error:
            answer = _Answer(error=error)
        if not connection.closed:
            with _plain(connection) as side:
                if answer.refusal is not None:
                    _as(side, "none")
                    take_back(side, fix, acting)
                _as(side, acting)
        return answer

    def _act(self, connection: Connection) -> str:
        """Act as the probe, where a revision acts as no other role; as whom then."""
        with _plain(connection) as side:
            side.execute("SELECT pg_catalog.current_setting('role')")
            acting = str(side.fetchone()[0])
            if acting == "none":
                acting = self._probe
                side.execute("SET lc_messages = 'C'")  # the words of a refusal are read
                _as(side, acting)
        if acting != self._probe:
            self._note(Need("SET", name=acting))
        return acting

    def _needed(self, acting: str, fixes: Sequence[Fix]) -> None:
        grantee = None if acting == self._probe else acting
        for fix in fixes:
            address = None if fix.object is None else fix.object.address
            self._note(Need(fix.right, address, fix.name, fix.hint, fix.to or grantee))

    def _note(self, need: Need) -> None:
        if need not in self._told:
            self._told.add(need)
            self._tell(replace(need, revision=self.revision, direction=self.direction))


def _may_be_refused(words: Nature, sql: str) -> bool:
    """Whether a statement that handles the session takes a right: LOCK does, and SET of some parameters."""
    if "LOCK" in words.kinds:
        return True
    return SETS.issuperset(words.kinds) and not any(token.says(*OF_TRANSACTIONS) for token in tokens(sql))


def _given(side: Any, fix: Fix, role: str) -> bool:
    """Give a right that a role may have; what cannot be given is no help, and is found to be none."""
    side.execute(f"SAVEPOINT {FIX}")
    try:
        return apply_fix(side, fix, role)
    except Error:
        side.execute(f"ROLLBACK TO SAVEPOINT {FIX}")
        return True
    finally:
        side.execute(f"RELEASE SAVEPOINT {FIX}")


def _as(side: Any, role: str, *, local: bool = False) -> None:
    side.execute("SELECT pg_catalog.set_config('role', %s, %s)", [role, local])


def _plain(connection: Connection) -> Any:
    return connection.cursor(cursor_factory=PlainCursor)
