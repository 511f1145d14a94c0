"""Looks at what a downgrade takes when it takes it: rows that came since the rollback was planned are not lost.

A plan counts what stands there when it is made. Before the first drop there may be hooks, a wait for locks, and an
application that goes on writing. So each drop is looked at again in its own transaction, once it has its lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg2
from psycopg2 import errors as pg
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INTRANS
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.checks.data_loss import CHECK, loss_in_words
from erm_alembic.errors import Refused
from erm_alembic.execute.step import StepUnderWay
from erm_alembic.findings import Override
from erm_alembic.planning.data_loss import Way
from erm_alembic.planning.model import DataLoss, Statement, Step
from erm_alembic.postgres.intercept import GatedCursor, Send
from erm_alembic.postgres.text.drops import REMOVES_NOTHING, drops_in
from erm_alembic.postgres.text.lexer import SAVEPOINTS, statement_kinds
from erm_alembic.postgres.victims import exclusively_locked, quoted_name, tables_and_columns, with_parts

__all__ = ["LossGuard", "may_lose"]

# Statements that begin like this need no look; they may be long, and many.
HARMLESS = (REMOVES_NOTHING | SAVEPOINTS) - {"WITH", "EXPLAIN"}
DELETES = frozenset({"DELETE"})
Sending = Callable[[Any, str, int | None], AbstractContextManager[None]]


def may_lose(rules: Mapping[str, str], overrides: Sequence[Override]) -> bool:
    """Whether a rollback may lose rows: that was said for this run, or for all of them.

    Args:
        rules: `safety.rules`.
        overrides: the rules that may pass.

    Example:
        >>> may_lose({}, ()), may_lose({"data-loss": "warning"}, ()), may_lose({}, (Override("data-loss", "old"),))
        (False, True, True)
    """
    allowed = any(override.rule == CHECK.rule for override in overrides)
    return allowed or rules.get(CHECK.rule, CHECK.severity) != "error"


class LossGuard:
    """Stands before the statements of downgrades that may lose nothing.

    Args:
        sending: what stands around a statement while the server works on it.
    """

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._known: Mapping[int, int] | None = None
        self._step: StepUnderWay | None = None
        self._looked_at: set[int] = set()
        self._refused: Refused | None = None

    def begin(self, step: StepUnderWay, connection: Any) -> None:
        """A revision begins, for the first time or once more after it was rolled back.

        Args:
            step: the revision.
            connection: the migration's connection.
        """
        self._step, self._refused = step, None
        self._looked_at.clear()
        if step.direction == "downgrade" and self._known is None:
            with _plain(connection) as cursor:
                self._known = tables_and_columns(cursor)

    def pass_through(
        self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], line: int | None, send: Send
    ) -> None:
        """Look at what a statement takes, and send it where that is nothing.

        Args:
            cursor: what it comes through.
            sql: the text with its placeholders.
            parameters: the sets of parameters.
            line: its line in the revision's file.
            send: sends it.

        Raises:
            Refused: it would lose rows or values, or may.
        """
        if self._step is None or self._step.direction != "downgrade" or statement_kinds(sql) <= HARMLESS:
            send()
            return
        self.raise_kept()
        connection: Any = cursor.connection
        text = _with_values(cursor, sql, parameters)
        drops = drops_in(text)
        if not drops or connection.info.transaction_status not in (TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INTRANS):
            send()
            return
        in_transaction = not (connection.autocommit and connection.info.transaction_status == TRANSACTION_STATUS_IDLE)
        if in_transaction and statement_kinds(sql) == DELETES and [drop.kind for drop in drops] == ["rows"]:
            send()  # it says by itself how many it took, and needs no stronger lock
            if cursor.rowcount > 0 and self._takes(connection, text):
                self._refuse(DataLoss("rows", drops[0].name, cursor.rowcount, self._step.revision, line))
            return
        statement = Statement(sql, line, literal=text)
        if in_transaction:
            self._lock(connection, statement, sql, line)
            self._look(connection, statement)
        else:
            with _plain(connection) as side:
                side.execute("BEGIN")
            try:
                self._look(connection, statement)
            finally:
                with _plain(connection) as side:
                    side.execute("ROLLBACK")
        send()

    def raise_kept(self) -> None:
        """Raise again a refusal that the revision has kept to itself.

        Raises:
            Refused: there is one.
        """
        if self._refused is not None:
            raise self._refused

    def end(self, connection: Any) -> None:
        """A revision's own statements are over: what is gone was looked at, whoever it was that dropped it.

        Args:
            connection: the migration's connection.

        Raises:
            Refused: a table is gone that no statement was seen to drop, or a refusal was kept.
        """
        if self._step is None or self._step.direction != "downgrade":
            return
        self.raise_kept()
        if self._known is None or connection.info.transaction_status != TRANSACTION_STATUS_INTRANS:
            return
        with _plain(connection) as cursor:
            gone = set(self._known) - set(tables_and_columns(cursor)) - self._looked_at
            # What another session has dropped meanwhile is none of this one's.
            taken = exclusively_locked(cursor, gone) if gone else frozenset()
        if taken:
            self._refuse(DataLoss("statement", "a function that its downgrade calls", None, self._step.revision))

    def _lock(self, connection: Any, statement: Statement, sql: str, line: int | None) -> None:
        """Take the lock that the statement needs anyway, so that nobody writes between the look and the drop."""
        with _plain(connection) as cursor:
            tables = [table for table in self._victims(cursor, statement) if table in (self._known or ())]
            self._looked_at.update(with_parts(cursor, tables) if tables else ())
            names = [quoted_name(cursor, table) for table in tables]
            if not names:
                return
            cursor.execute("SAVEPOINT erm_lock")
            try:
                with self._sending(connection, sql, line):
                    cursor.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
            except (pg.InsufficientPrivilege, pg.WrongObjectType):
                cursor.execute("ROLLBACK TO SAVEPOINT erm_lock")
            cursor.execute("RELEASE SAVEPOINT erm_lock")

    def _look(self, connection: Any, statement: Statement) -> None:
        with _plain(connection) as cursor:
            losses = tuple(Way(cursor, self._known).losses_of(self._as_step(statement)))
        for loss in losses:
            # What an expression makes of values is known from the plan, or its proof.
            if loss.rows or (loss.rows is None and loss.kind != "rewrite"):
                self._refuse(loss)

    def _takes(self, connection: Any, text: str) -> bool:
        """Whether a statement takes of a table that the run itself has not made."""
        with _plain(connection) as cursor:
            return any(table in (self._known or ()) for table in self._victims(cursor, Statement(text)))

    def _victims(self, cursor: Any, statement: Statement) -> list[int]:
        return sorted({table for table, _ in Way(cursor).victims_of(self._as_step(statement))})

    def _as_step(self, statement: Statement) -> Step:
        assert self._step is not None  # or nothing is looked at
        step = self._step.step
        return Step(step.revision, (), "", step.path, "downgrade", step.downgrade, statements=(statement,))

    def _refuse(self, loss: DataLoss) -> None:
        assert self._step is not None  # or nothing is looked at
        where = self._step.step.path + ("" if loss.line is None else f":{loss.line}")
        self._refused = Refused(
            f"{where}: {loss_in_words(loss)} When the rollback was planned, that was not to be seen.",
            effect=f"It was not done. The transaction under way of revision {loss.revision} was undone; what stands "
            "before it stays.",
            cure="Back it up first. When it may be lost, say so: --allow-data-loss.",
        )
        raise self._refused


def _with_values(cursor: GatedCursor, sql: str, parameters: Sequence[Any]) -> str:
    """The text with its values in place; it is looked at, and goes nowhere."""
    if cursor.composed is not None:
        return cursor.composed
    try:
        return ";\n".join(cursor.mogrify(sql, row).decode() for row in parameters) or sql
    except (psycopg2.Error, TypeError, ValueError, KeyError, IndexError):
        return sql


def _plain(connection: Any) -> Any:
    return connection.cursor(cursor_factory=PlainCursor)
