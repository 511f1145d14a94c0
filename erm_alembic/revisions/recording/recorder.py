"""Record what revisions would send, on a read-only session of the real target, without writing anything.

Reads are let through, so that a revision that looks before it leaps sees the live database. Writes are held back: the
revision goes on as if they had run. What then depends on a write that was held back is said (`partial`), not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg2
from psycopg2 import errors as pg
from psycopg2.extensions import cursor as PlainCursor
from sqlalchemy import TextClause

from erm_alembic.config.redaction import first_line
from erm_alembic.postgres.catalog import held_relations
from erm_alembic.postgres.intercept import Asked, GatedCursor, Send
from erm_alembic.postgres.reading import READING_GUARD
from erm_alembic.postgres.text.lexer import READS, SAVEPOINTS, SETTINGS, statement_kinds, tokens
from erm_alembic.postgres.text.side_effects import acts_outside_transaction, is_advisory_lock
from erm_alembic.postgres.victims import schemas_of
from erm_alembic.revisions.recording.call_stack import calling_line, calling_place, sent_by_sqlalchemy
from erm_alembic.revisions.recording.held_back import HeldBack
from erm_alembic.revisions.recording.unknown_count import UnknownCount

__all__ = ["RecordedStatement", "Recorder", "Recording"]

TRANSACTION_ENDS = frozenset({"COMMIT", "END", "ROLLBACK"})


@dataclass(frozen=True)
class _Bracket:
    """What stands around a read."""

    begin: str
    undo: str
    keep: str


SUBTRANSACTION = _Bracket(
    f"SAVEPOINT erm_read; {READING_GUARD}",
    "ROLLBACK TO SAVEPOINT erm_read; RELEASE SAVEPOINT erm_read",
    "RELEASE SAVEPOINT erm_read",
)
OWN_TRANSACTION = _Bracket(f"BEGIN; {READING_GUARD}", "ROLLBACK", "COMMIT")


@dataclass(frozen=True)
class RecordedStatement:
    """One statement as apply will send it.

    `literal` has its values in place and is for `--sql` only; `file` is the SQL script that it stands in, if any;
    `asked` is what is to be asked of a cursor to send it; `schemas` is where names without a schema are looked for when
    it comes; `opaque` tells that it looks like a read, and that a function which it calls writes.
    """

    sql: str
    line: int | None
    autocommit: bool
    parameter_sets: int
    raw: bool
    read: bool
    literal: str = field(repr=False)
    file: str | None = None
    asked: Asked | None = field(default=None, repr=False)
    schemas: tuple[str, ...] = ()
    opaque: bool = False


@dataclass
class Recording:
    """What one revision would send, filled while it is recorded.

    `reason` is set as soon as something was answered that apply may answer otherwise: it is partial from there, and
    `certain` counts the statements until then. `operations_only` tells that its function does nothing else than send.
    """

    path: str
    statements: list[RecordedStatement] = field(default_factory=list)
    version_statements: list[str] = field(default_factory=list)
    reason: str | None = None
    certain: int | None = None
    leaves_transaction: bool = False
    operations_only: bool = False

    @property
    def transactional(self) -> bool:
        return not self.leaves_transaction and not any(each.autocommit for each in self.statements)

    @property
    def is_all(self) -> bool:
        """Whether to send these statements, in one transaction, is all that running the revision comes to."""
        return self.operations_only and not self.reason and self.transactional and all(map(_changes, self.statements))

    def becomes_partial(self, reason: str) -> None:
        """The first reason is the one that counts; what follows may follow from it."""
        if self.reason is None:
            self.reason, self.certain = reason, len(self.statements)


class Recorder:
    """The gate of a recording session: one Recording at a time, all pending revisions in one pass.

    Args:
        notes_schemas: whether each statement is noted with the schemas in which names are looked for.
    """

    def __init__(self, *, notes_schemas: bool = False) -> None:
        self.recording: Recording | None = None
        self._notes_schemas = notes_schemas
        self._schemas: tuple[Any, tuple[str, ...]] | None = None
        self.inside_revision = False
        self.half_done = False
        self._held_back = HeldBack()

    @property
    def wrote_before(self) -> bool:
        """Whether a write was held back since the session began: from then on the live answers may be out of date."""
        return bool(self._held_back)

    def committed(self) -> None:
        """The session was committed; by a revision, when one is running."""
        self._schemas = None  # what was set for the transaction only holds no more
        if self.inside_revision and self.recording is not None:
            self.recording.leaves_transaction = True

    def version_statement(self, sql: str) -> None:
        """Alembic records a step: that is no part of the revision, but of its script."""
        if self.recording is not None:
            self.recording.version_statements.append(sql)

    def held_back_elsewhere(self, sql: str) -> None:
        """A revision writes on an engine of its own: not in its transaction, and not in its recording."""
        if self.inside_revision and self.recording is not None:
            self.recording.leaves_transaction = True
            self._held_back.add(sql, opaque=True)
            self._partial("writes on a connection of its own, which a plan cannot follow")

    def pass_through(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        if cursor.context is None and sent_by_sqlalchemy():
            send()
            return
        kinds = statement_kinds(sql)
        if kinds and kinds <= READS and not acts_outside_transaction(sql):
            if self.inside_revision:
                self._note(cursor, sql, parameters)
                cursor.on_rows = self._marker_of_latest()
            if is_advisory_lock(sql):
                self._answer_instead(cursor, "SELECT true")
            else:
                self._read(cursor, sql, parameters, send)
        elif kinds and kinds <= SETTINGS | SAVEPOINTS:
            self._session(cursor, sql, parameters, send, setting=bool(kinds & SETTINGS))
        else:
            self._write(cursor, sql, parameters)
            if kinds & TRANSACTION_ENDS and self.recording:
                self.recording.leaves_transaction = True

    def rowcount(self, cursor: GatedCursor) -> int:
        if not self.inside_revision:
            return 1  # Alembic's own bookkeeping: it expects to have touched its one row
        return UnknownCount.of(lambda: self._partial("looks at how many rows a write touched"))

    def _partial(self, why: str) -> None:
        if self.recording is not None:
            self.recording.becomes_partial(f"{_at(calling_line(self.recording.path))} {why}")

    def _read(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        """Send a read in a read-only subtransaction, whatever the session was set to, and see what it touches."""
        if cursor.name is not None:
            self._read_through_portal(cursor, sql, send)
            return
        bracket = OWN_TRANSACTION if cursor.connection.autocommit else SUBTRANSACTION
        with cursor.connection.cursor(cursor_factory=PlainCursor) as side:
            side.execute(bracket.begin)
            try:
                send()
            except psycopg2.Error as error:
                side.execute(bracket.undo)
                self._read_failed(cursor, sql, error)
                return
            if "set_config" in sql.lower():
                self._schemas = None
            judge = self.inside_revision and self.wrote_before
            oids = held_relations(side) if judge else []
            # Undone, so that its locks end and the next read is judged by its own; set_config must survive.
            side.execute(bracket.keep if "set_config" in sql.lower() else bracket.undo)
            if judge and (why := self._why_stale(side, bracket, oids, (sql, parameters, _by_hand(cursor)))):
                self._partial(why)

    def _why_stale(
        self, side: PlainCursor, bracket: _Bracket, oids: list[int], read: tuple[str, Sequence[Any], bool]
    ) -> str | None:
        sql, parameters, by_hand = read
        if "set_config" in sql.lower():
            return None
        side.execute(bracket.begin)
        try:
            return self._held_back.why_stale(side, oids, sql, parameters, written_by_hand=by_hand)
        finally:
            side.execute(bracket.undo)

    def _read_through_portal(self, cursor: GatedCursor, sql: str, send: Send) -> None:
        """A server-side cursor must outlive its subtransaction; what it touches is not known in time."""
        try:
            send()
        except psycopg2.Error as error:
            self._read_failed(cursor, sql, error)
            return
        if self.inside_revision and self.wrote_before:
            self._partial("reads through a server-side cursor after earlier writes")

    def _read_failed(self, cursor: GatedCursor, sql: str, error: psycopg2.Error) -> None:
        """A SELECT that writes (nextval, FOR UPDATE) is a write; other errors may come from writes held back before."""
        if not self.inside_revision:
            raise error
        if isinstance(error, (pg.ReadOnlySqlTransaction, pg.QueryCanceled)):
            # It writes, or takes longer than a plan may: it is not needed here unless somebody looks at its rows.
            self._hold_back(cursor)
            self._held_back.add(sql, opaque=True)
            # What writes by itself (nextval, FOR UPDATE) has no context: it is no function's own statement.
            if isinstance(error, pg.QueryCanceled) or error.diag.context:
                self._mark_opaque()
            return
        message = first_line(error.diag.message_primary or error)
        if isinstance(error, pg.LockNotAvailable):
            self._partial("reads what another session has locked")
            self._held_back.add(sql, opaque=True)
        elif self.wrote_before:
            self._partial(f"reads what an earlier pending statement makes ({message})")
        raise error

    def _session(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send, setting: bool) -> None:
        """Settings must hold while recording, as they do while applying: names resolve by search_path and role."""
        if self.inside_revision:
            self._note(cursor, sql, parameters)
        self._schemas = None
        if not setting or cursor.connection.autocommit or not self.wrote_before:
            send()
            return
        with cursor.connection.cursor(cursor_factory=PlainCursor) as side:
            side.execute("SAVEPOINT erm_setting")
            try:
                send()
            except psycopg2.Error:  # SET ROLE to a role that a held-back write creates
                side.execute("ROLLBACK TO SAVEPOINT erm_setting")
                cursor.held_back = True

    def _write(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any]) -> None:
        if self.inside_revision:
            self._note(cursor, sql, parameters)
            self._held_back.add(sql)
            if statement_kinds(sql) <= READS and "dblink" in sql.lower():
                self._mark_opaque()
            if statement_kinds(sql) == {"COPY"} and any(token.says("TO") for token in tokens(sql)):
                self._partial("copies rows out of the database, which a plan does not")
        elif self.recording is not None:
            self.recording.version_statements.append(_literal(cursor, sql, parameters))
        self._hold_back(cursor)
        columns = _returned_columns(cursor)
        if columns:
            self._answer_instead(cursor, "SELECT " + ", ".join(["NULL"] * columns) + " WHERE false")

    def _answer_instead(self, cursor: GatedCursor, sql: str) -> None:
        """Give SQLAlchemy a result of the shape that it expects."""
        PlainCursor.execute(cursor, sql)
        cursor.answered = True

    def _hold_back(self, cursor: GatedCursor) -> None:
        """Whoever fetches what a write returns makes the recording partial; SQLAlchemy's own look at a key does not."""
        cursor.held_back = True
        own_look = bool(getattr(getattr(cursor.context, "compiled", None), "implicit_returning", None))
        if self.inside_revision and not own_look:
            cursor.on_fetch = lambda: self._partial("needs the rows that a write returns")

    def _marker_of_latest(self) -> Callable[[], None]:
        """What to call when somebody looks at the latest statement's rows: it was sent for its answer."""
        assert self.recording is not None
        statements = self.recording.statements
        latest = len(statements) - 1

        def mark() -> None:
            statements[latest] = replace(statements[latest], read=True)

        return mark

    def _mark_opaque(self) -> None:
        """Of the latest statement nobody can tell what it does."""
        assert self.recording is not None
        self.recording.statements[-1] = replace(self.recording.statements[-1], opaque=True)

    def _schemas_at(self, cursor: GatedCursor) -> tuple[str, ...]:
        """Where names without a schema are looked for now; none where that cannot be asked."""
        if not self._notes_schemas:
            return ()
        if self._schemas is None or self._schemas[0] is not cursor.connection:
            try:
                with cursor.connection.cursor(cursor_factory=PlainCursor) as side:
                    self._schemas = cursor.connection, schemas_of(side)
            except psycopg2.Error:  # within a transaction that has failed
                return ()
        return self._schemas[1]

    def _note(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any]) -> None:
        assert self.recording is not None
        path = self.recording.path
        file, line = calling_place(path) or (path, None)
        self.recording.statements.append(
            RecordedStatement(
                sql=sql,
                line=line,
                autocommit=bool(cursor.connection.autocommit),
                parameter_sets=len(parameters),
                raw=cursor.context is None,
                read=False,
                literal=_literal(cursor, sql, parameters),
                file=None if file == path else file,
                asked=cursor.asked if cursor.context is not None else None,
                schemas=self._schemas_at(cursor),
            )
        )


def _changes(statement: RecordedStatement) -> bool:
    """Whether a statement is sent for what it does, whatever it answers, and can be sent again."""
    return statement.asked is not None and statement_kinds(statement.sql).isdisjoint(READS | SAVEPOINTS)


def _at(line: int | None) -> str:
    return "the revision" if line is None else f"line {line}"


def _by_hand(cursor: GatedCursor) -> bool:
    """Whether a person wrote the text under way, rather than SQLAlchemy's compiler."""
    compiled = getattr(cursor.context, "compiled", None)
    return compiled is None or isinstance(compiled.statement, TextClause)


def _literal(cursor: GatedCursor, sql: str, parameters: Sequence[Any]) -> str:
    """The text with its values in place, quoted by the driver."""
    if cursor.composed is not None:
        return cursor.composed
    try:
        rows = [cursor.mogrify(sql, row).decode() for row in parameters] or [sql]
    except (psycopg2.Error, TypeError, ValueError, KeyError, IndexError):
        return sql
    return ";\n".join(rows)


def _returned_columns(cursor: GatedCursor) -> int:
    """How many columns SQLAlchemy expects back (INSERT ... RETURNING): it needs a result of that shape."""
    compiled = getattr(cursor.context, "compiled", None)
    return len(getattr(compiled, "effective_returning", None) or ())
