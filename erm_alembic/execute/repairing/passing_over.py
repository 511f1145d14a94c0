"""Takes back what is there: what is not, because it never came to be, is passed over and told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.execute.resuming.clearing import Clearing
from erm_alembic.execute.resuming.noting import gated, in_transaction
from erm_alembic.postgres.indexes import relation_named
from erm_alembic.postgres.intercept import GatedConnection, GatedCursor, Send
from erm_alembic.postgres.text.lexer import SAVEPOINTS, Token, is_read_or_setting, split_statements, statement_kinds
from erm_alembic.postgres.text.nature import nature

__all__ = ["PassingOver", "is_one_thing", "nothing_to_do"]

# undefined table, column, object, function, schema, database: what was to be dropped was never made.
GONE = frozenset({"42P01", "42703", "42704", "42883", "3F000", "3D000"})
# duplicate table, column, object, function, schema, database: what was to be made again was never dropped.
THERE = frozenset({"42P07", "42701", "42710", "42723", "42P06", "42P04"})
ENDS = frozenset({"COMMIT", "END", "ROLLBACK", "ABORT", "BEGIN", "START"})
OPAQUE = frozenset({"DO", "CALL", "EXECUTE", ""})
# These take several objects, or do several things, one after the other: a part of it may be there.
LISTS = frozenset({"DROP", "ALTER", "TRUNCATE", "GRANT", "REVOKE"})
AROUND_NAMES = ("CONCURRENTLY", "IF", "EXISTS", "CASCADE", "RESTRICT")


def is_one_thing(sql: str) -> bool:
    """Whether a text does one thing only, so that an object which is not there means that there is nothing to do.

    Example:
        >>> is_one_thing("DROP FUNCTION f(int, int)"), is_one_thing("DROP TABLE a, b"), is_one_thing("DO $$$$")
        (True, False, False)
    """
    statements = split_statements(sql)
    if len(statements) != 1 or statement_kinds(sql) & OPAQUE:
        return False
    return not (statement_kinds(sql) & LISTS and _has_list(statements[0]))


def nothing_to_do(sql: str) -> frozenset[str]:
    """The SQLSTATEs by which the server says that one statement of a downgrade() has nothing to do.

    What it makes again was never dropped and is there; what it drops or changes was never made and is not.

    Example:
        >>> nothing_to_do("ALTER TABLE t ADD a int") == nothing_to_do("CREATE TABLE t ()") == THERE
        True
        >>> nothing_to_do("DROP TABLE t") == nothing_to_do("ALTER TABLE t DROP a") == GONE
        True
    """
    (statement,) = split_statements(sql)
    makes = statement[0].says("CREATE") or (
        statement[0].says("ALTER") and any(token.says("ADD") for token in statement)
    )
    return THERE if makes else GONE


def _has_list(statement: Sequence[Token]) -> bool:
    depth = 0
    for token in statement:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            return True
    return False


class PassingOver:
    """Sends each statement of a downgrade() for itself, within a savepoint where there is a transaction.

    Args:
        tell: told what is passed over.
        clearing: removes what an earlier build left in the way of one that is sent.
        before_commit: called before anything is committed, or sent outside a transaction.
        passed_over: where is noted what is passed over.
        stood_before: by the name of an index that the revision was to build, the OIDs of those that were there then.
    """

    has_progress = False

    def __init__(
        self,
        tell: Callable[[str], None],
        clearing: Clearing,
        before_commit: Callable[[], None],
        passed_over: list[str],
        stood_before: Mapping[str, frozenset[int]] | None = None,
    ) -> None:
        self._tell, self._clearing = tell, clearing
        self._before_commit, self._passed_over = before_commit, passed_over
        self._stood_before = stood_before or {}

    def begin(self) -> None:
        """The downgrade() is about to run, for the first time or once more after it was rolled back."""
        self._passed_over.clear()

    def raise_kept(self) -> None:
        """A downgrade() is never refused while it runs."""

    def check(self) -> None:
        """A downgrade() is never asked to do without rows: nothing is kept to itself."""

    def pass_through(
        self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], line: int | None, send: Send
    ) -> None:
        """Send a statement; what is not there to be taken back is passed over.

        Args:
            cursor: what it comes through.
            sql: the text with its placeholders.
            parameters: the sets of parameters.
            line: its line in the revision's file.
            send: sends it.
        """
        kinds = statement_kinds(sql)
        alone = not in_transaction(gated(cursor))
        if alone or kinds & ENDS:
            self._before_commit()
        if alone:
            # An INVALID index of that name, of a take-back that was cut off, is not what was never dropped.
            self._clearing.before(gated(cursor), sql, nature(sql).outside, line)
        if kinds & (ENDS | SAVEPOINTS) or is_read_or_setting(sql) or not is_one_thing(sql):
            send()
            return
        other = self._made_by_others(cursor, sql)
        if other is not None:
            self._pass_over(cursor, line, f"index {other} was not made by this revision")
            return
        try:
            if alone:
                send()
            else:
                _within_savepoint(cursor, send)
        except psycopg2.Error as error:
            # Within a function, or a trigger, it is not the statement's own object that is not there.
            if error.pgcode not in nothing_to_do(sql) or error.diag.context:
                raise
            self._pass_over(cursor, line, error.diag.message_primary or type(error).__name__)

    def _pass_over(self, cursor: GatedCursor, line: int | None, why: str) -> None:
        cursor.held_back, cursor.noted_rowcount = True, 0
        passed = why if line is None else f"line {line}: {why}"
        self._passed_over.append(passed)
        self._tell(f"Passed over, {passed}.")

    def _made_by_others(self, cursor: GatedCursor, sql: str) -> str | None:
        """The index that a DROP INDEX names, where it stood there before the revision could build one of that name."""
        (words,) = split_statements(sql)
        if not self._stood_before or not (words[0].says("DROP") and words[1].says("INDEX")):
            return None
        named = [word for word in words[2:] if not word.says(*AROUND_NAMES)]
        before = self._stood_before.get(named[-1].name) if named else None
        if not before:
            return None
        name = "".join(word.text for word in named)
        with cursor.connection.cursor(cursor_factory=PlainCursor) as side:
            return name if relation_named(side, name) in before else None

    def committing(self, connection: GatedConnection) -> None:
        """A transaction of the downgrade() is about to be committed, before its end."""
        self._before_commit()

    def rolled_back(self, connection: GatedConnection) -> None:
        """A transaction of the downgrade() was rolled back: nothing of it was noted."""


def _within_savepoint(cursor: GatedCursor, send: Send) -> None:
    with cursor.connection.cursor(cursor_factory=PlainCursor) as side:
        side.execute("SAVEPOINT erm_part")
        try:
            send()
        except psycopg2.Error:
            side.execute("ROLLBACK TO SAVEPOINT erm_part; RELEASE SAVEPOINT erm_part")
            raise
        side.execute("RELEASE SAVEPOINT erm_part")
