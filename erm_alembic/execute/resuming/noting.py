"""Notes what of a revision is committed before the revision is recorded, in the very transaction that commits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal
from weakref import WeakKeyDictionary

from psycopg2 import sql
from psycopg2.extensions import STATUS_BEGIN, TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INTRANS
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.execute.resuming.clearing import About
from erm_alembic.execute.resuming.fingerprint import Reads, shape
from erm_alembic.execute.step import StepUnderWay
from erm_alembic.ledger.progress import DoneStatement, NewProgress, as_json
from erm_alembic.ledger.store import Ledger
from erm_alembic.postgres.intercept import GatedConnection, GatedCursor
from erm_alembic.postgres.login_role import AS_BEFORE, AS_LOGIN_ROLE
from erm_alembic.postgres.text.lexer import split_statements
from erm_alembic.postgres.text.literals import without_literals
from erm_alembic.postgres.text.nature import Nature, nature

__all__ = ["Notes", "Sent", "gated", "in_transaction", "place_between"]

LONGEST = 200
NOTHING = About()


@dataclass(frozen=True)
class Sent:
    """A statement on its way.

    Args:
        cursor: what it comes through.
        sql: the text with its placeholders.
        parameters: the sets of parameters.
        line: its line in the revision's file.
        nature: what its words tell.
        digest: what it is known by, values and all.
    """

    cursor: GatedCursor
    sql: str
    parameters: Sequence[Any]
    line: int | None
    nature: Nature
    digest: str

    @property
    def connection(self) -> GatedConnection:
        """What it is sent through."""
        return gated(self.cursor)

    @property
    def tag(self) -> str:
        """What the server answered, without its counts."""
        words = (self.cursor.statusmessage or "").split()
        return " ".join(word for word in words if not word.isdigit())


def gated(cursor: GatedCursor) -> GatedConnection:
    """The connection of a cursor."""
    connection = cursor.connection
    assert isinstance(connection, GatedConnection)
    return connection


def in_transaction(connection: GatedConnection) -> bool:
    """Whether what is sent next stands in a transaction: one is open, or psycopg2 is about to open one."""
    if connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
        return True
    # After a COMMIT that the revision sent by itself, psycopg2 still believes in its transaction and opens none.
    return not connection.autocommit and connection.status != STATUS_BEGIN


def place_between(after: tuple[int, ...], before: tuple[int, ...] | None, count: int) -> tuple[int, ...]:
    """A place between two others: as in a dictionary, a longer one comes after its own beginning.

    Args:
        after: the place that it comes after; empty for the beginning.
        before: the place that it comes before; None for the end.
        count: its number among those between these two, from 1 on.

    Example:
        >>> place_between((), None, 1), place_between((1,), (2,), 1), place_between((1,), (1, 1), 1)
        ((1,), (1, 1), (1, 0, 1))
    """
    if before is not None and before[: len(after)] == after:
        return (*after, before[len(after)] - 1, count)
    return (*after, count)


@dataclass
class _Transaction:
    """What was sent in the transaction under way on one connection, and where its savepoints stand."""

    rows: list[DoneStatement] = field(default_factory=list)
    savepoints: list[tuple[str, int]] = field(default_factory=list)


class Notes:
    """The notes of one attempt at a revision.

    Args:
        ledger: where they are written to, through the migration's own connections.
        run_id: the run.
        step: the revision.
        salt: what its hashes begin with.
    """

    def __init__(self, ledger: Ledger, run_id: int, step: StepUnderWay, salt: str) -> None:
        self._ledger, self._run_id, self._step = ledger, run_id, step
        self._transactions: WeakKeyDictionary[GatedConnection, _Transaction] = WeakKeyDictionary()
        self._has_source = False
        self._after: tuple[int, ...] = ()
        self._before: tuple[int, ...] | None = None
        self._count = 0
        self.salt = salt
        self.reads = Reads(salt)
        self.written = False

    def stand_between(self, after: tuple[int, ...], before: tuple[int, ...] | None) -> None:
        """What is noted from now on stands after one recorded statement, and before another one."""
        self._after, self._before, self._count = after, before, 0

    def _next_place(self) -> tuple[int, ...]:
        self._count += 1
        return place_between(self._after, self._before, self._count)

    def row(
        self,
        sent: Sent,
        state: Literal["started", "done"],
        tag: str,
        about: About = NOTHING,
    ) -> DoneStatement:
        """The row of a statement: one that has just been answered, or one that is about to be sent."""
        cursor = sent.cursor
        done = state == "done"
        return DoneStatement(
            line=sent.line,
            sql=sent.sql,
            tag=tag,
            state=state,
            rowcount=cursor.rowcount if done else -1,
            at=datetime.now(UTC),
            place=self._next_place(),
            digest=sent.digest,
            shape=shape(self.salt, sent.sql, sent.parameters, sent.connection),
            reads=str(self.reads),
            columns=len(cursor.description or ()) if done else 0,
            relations=about.relations,
            indexes_before=tuple(index.oid for index in about.indexes),
            index_name=about.index_name,
        )

    def done_in_transaction(self, sent: Sent) -> None:
        """Remember a statement until its transaction is committed before the revision's end, if it ever is."""
        self._of(sent.connection).rows.append(self.row(sent, "done", sent.tag))

    def savepoint(self, connection: GatedConnection, text: str) -> None:
        """Follow what a savepoint command, or a raw ROLLBACK, makes of what was sent before it."""
        transaction = self._of(connection)
        for statement in split_statements(text):
            words = [token for token in statement if not token.says("SAVEPOINT", "TRANSACTION", "WORK", "TO")]
            name = words[-1].name if words else ""
            if statement[0].says("SAVEPOINT"):
                transaction.savepoints.append((name, len(transaction.rows)))
            elif statement[0].says("RELEASE", "ROLLBACK"):
                at = _position(transaction.savepoints, name)
                if at is None:
                    continue
                if statement[0].says("ROLLBACK"):
                    del transaction.rows[transaction.savepoints[at][1] :]
                    at += 1
                del transaction.savepoints[at:]

    def before_commit(self, connection: GatedConnection) -> None:
        """Write the rows of a transaction that is about to be committed before the revision's end."""
        rows = self.take_rows(connection)
        if rows and connection.info.transaction_status == TRANSACTION_STATUS_INTRANS:
            self._write(connection, rows, always=False)

    def take_rows(self, connection: GatedConnection) -> list[DoneStatement]:
        """The rows of the transaction under way, which is forgotten: it has ended, or is about to."""
        transaction = self._transactions.pop(connection, None)
        return transaction.rows if transaction is not None else []

    def commit_wrapped(self, sent: Sent) -> None:
        """Note a statement that erm itself has put in a transaction, where it wrote anything, and commit that."""
        self._write(sent.connection, [self.row(sent, "done", sent.tag)], always=False, commit=True)

    def started(self, connection: GatedConnection, row: DoneStatement) -> None:
        """Note that a statement is about to be sent whose effects stay whatever comes after it."""
        self._write(connection, [*self.take_rows(connection), row], always=True)

    def ended(
        self, connection: GatedConnection, row: DoneStatement, tag: str, rowcount: int = -1, columns: int = 0
    ) -> None:
        """Note that a started statement is done."""
        self._settle(connection, self._ledger.progress_finish(), [tag, rowcount, columns, *self._which(row)])

    def undone(self, connection: GatedConnection, row: DoneStatement) -> None:
        """Forget a started statement that did nothing."""
        self._settle(connection, self._ledger.progress_drop(), self._which(row))

    def _which(self, row: DoneStatement) -> list[Any]:
        return [self._step.revision, self._step.direction, list(row.place)]

    def _settle(self, connection: GatedConnection, statement: sql.Composable, values: Sequence[Any]) -> None:
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            cursor.execute(sql.SQL(";").join([AS_LOGIN_ROLE, statement, AS_BEFORE]), list(values))
        if self._step.checkpoint is not None:
            self._step.checkpoint(connection, ())

    def _write(
        self, connection: GatedConnection, rows: Sequence[DoneStatement], *, always: bool, commit: bool = False
    ) -> None:
        """Write rows as the login role, which owns the ledger; the role of the revision is that of its commit again."""
        new = [self._new(row, with_source=number == 0 and not self._has_source) for number, row in enumerate(rows)]
        insert = [AS_LOGIN_ROLE, self._ledger.progress_insert()]
        then = [AS_BEFORE, sql.SQL("COMMIT")] if commit else [AS_BEFORE]
        # What is written elsewhere, through a foreign table or dblink, is given no transaction id here.
        always = always or any(nature(row.sql).writes for row in rows)
        values = [as_json(new, connection), always]
        self.written = True
        keep = self._step.checkpoint
        if keep is not None and always:
            keep(connection, rows)
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            if always or (self._has_source and keep is None):
                cursor.execute(sql.SQL(";").join([*insert, *then]), values)
                self._has_source = True
                return
            # Whether the transaction wrote anything, and the file's text is kept with it, is seen in the answer.
            cursor.execute(sql.SQL(";").join(insert), values)
            wrote = cursor.rowcount > 0
            self._has_source = self._has_source or wrote
            if keep is not None and wrote:
                cursor.execute(AS_BEFORE)
                keep(connection, rows)
                then = then[1:]
            if then:
                cursor.execute(sql.SQL(";").join(then))

    def _new(self, row: DoneStatement, *, with_source: bool) -> NewProgress:
        facts = self._step.pending.facts
        source = facts.source if with_source else None
        # Only now, when it is certain that it is written: most revisions never come here.
        shown = replace(row, sql=_short(row.sql))
        return NewProgress(
            self._run_id, facts.revision, self._step.direction, facts.path, source, facts.source_hash, self.salt, shown
        )

    def _of(self, connection: GatedConnection) -> _Transaction:
        return self._transactions.setdefault(connection, _Transaction())


def _position(savepoints: Sequence[tuple[str, int]], name: str) -> int | None:
    """Where the latest savepoint of that name stands: a name may be used again."""
    return next((at for at in range(len(savepoints) - 1, -1, -1) if savepoints[at][0] == name), None)


def _short(sql: str) -> str:
    shown = without_literals(sql)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."
