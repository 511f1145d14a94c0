"""Record what revisions would send, on a read-only session of the real target, without writing anything.

Reads are let through, so that a revision that looks before it leaps sees the live database. Writes are held back: the
revision goes on as if they had run. What then depends on a write that was held back is said (`partial`), not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import errors as pg
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.postgres.catalog import held_user_relations
from erm_alembic.postgres.intercept import GatedCursor, Send
from erm_alembic.postgres.lexer import READS, SAVEPOINTS, SETTINGS, statement_kinds
from erm_alembic.revisions.origin import calling_line, sent_by_sqlalchemy

__all__ = ["RecordedStatement", "Recorder", "Recording"]

TRANSACTION_ENDS = frozenset({"COMMIT", "END", "ROLLBACK"})
OPAQUE = frozenset({"DO", "CALL", "EXECUTE", "COPY"})


@dataclass(frozen=True)
class RecordedStatement:
    """One statement as apply will send it; `literal` has its values in place and is for `--sql` only."""

    sql: str
    line: int | None
    autocommit: bool
    parameter_sets: int
    raw: bool
    read: bool
    literal: str = field(repr=False)


@dataclass
class Recording:
    """What one revision would send, filled while it is recorded.

    `reason` is set as soon as something was answered that apply may answer otherwise: it is partial from there.
    """

    path: str
    statements: list[RecordedStatement] = field(default_factory=list)
    version_statements: list[str] = field(default_factory=list)
    reason: str | None = None
    leaves_transaction: bool = False

    @property
    def transactional(self) -> bool:
        return not self.leaves_transaction and not any(each.autocommit for each in self.statements)

    def becomes_partial(self, reason: str) -> None:
        """The first reason is the one that counts; what follows may follow from it."""
        self.reason = self.reason or reason


class _UnknownCount(int):
    """How many rows a held-back write touched: nobody knows, and whoever looks makes the recording partial."""

    noticed: Callable[[], None]

    def _look(self) -> int:
        self.noticed()
        return 0

    def __bool__(self) -> bool:
        return bool(self._look())

    def __eq__(self, other: object) -> bool:
        return self._look() == other

    def __ne__(self, other: object) -> bool:
        return self._look() != other

    def __lt__(self, other: int) -> bool:
        return self._look() < other

    def __le__(self, other: int) -> bool:
        return self._look() <= other

    def __gt__(self, other: int) -> bool:
        return self._look() > other

    def __ge__(self, other: int) -> bool:
        return self._look() >= other

    __hash__ = int.__hash__


class Recorder:
    """The gate of a recording session: one Recording at a time, all pending revisions in one pass."""

    def __init__(self) -> None:
        self.recording: Recording | None = None
        self.inside_revision = False
        self._held_back: list[str] = []
        self._holds_opaque_write = False

    @property
    def wrote_before(self) -> bool:
        """Whether a write was held back since the session began: from then on the live answers may be out of date."""
        return bool(self._held_back)

    def pass_through(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        if cursor.context is None and sent_by_sqlalchemy():
            send()
            return
        kinds = statement_kinds(sql)
        if kinds and kinds <= READS:
            self._read(cursor, sql, parameters, send)
        elif kinds and kinds <= SETTINGS | SAVEPOINTS:
            self._session(cursor, sql, parameters, send, setting=bool(kinds & SETTINGS))
        else:
            self._write(cursor, sql, parameters, opaque=not kinds or bool(kinds & OPAQUE))
            if kinds & TRANSACTION_ENDS and self.recording:
                self.recording.leaves_transaction = True

    def rowcount(self, cursor: GatedCursor) -> int:
        recording = self.recording
        if recording is None or not self.inside_revision:
            return 1  # Alembic's own bookkeeping: it expects to have touched its one row
        count = _UnknownCount(0)
        where = _at(calling_line(recording.path))
        count.noticed = lambda: recording.becomes_partial(f"{where} looks at how many rows a write touched")
        return count

    def _read(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        if not self.inside_revision or self.recording is None:
            send()
            return
        self._note(cursor, sql, parameters, read=True)
        if cursor.name is not None or cursor.connection.autocommit:
            self._send_unobserved(cursor, sql, parameters, send)
            return
        with cursor.connection.cursor(cursor_factory=PlainCursor) as side:
            side.execute("SAVEPOINT erm_read")
            try:
                send()
            except psycopg2.Error as error:
                side.execute("ROLLBACK TO SAVEPOINT erm_read")
                self._read_failed(cursor, sql, error)
                return
            touched = held_user_relations(side)
            # Going back releases the locks, so that the next read is judged by its own; set_config must survive.
            side.execute(
                "RELEASE SAVEPOINT erm_read" if "set_config" in sql.lower() else "ROLLBACK TO SAVEPOINT erm_read"
            )
        self._judge_read(touched, parameters)

    def _send_unobserved(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        try:
            send()
        except psycopg2.Error as error:
            self._read_failed(cursor, sql, error)
            return
        self._judge_read(None, parameters)

    def _read_failed(self, cursor: GatedCursor, sql: str, error: psycopg2.Error) -> None:
        """A SELECT that writes (nextval, FOR UPDATE) is a write; other errors may come from writes held back before."""
        if isinstance(error, pg.ReadOnlySqlTransaction):
            cursor.held_back = True
            self._remember(sql, opaque=True)
            return
        if not self.wrote_before or self.recording is None:
            raise error
        message = str(error.diag.message_primary or error).splitlines()[0]
        self.recording.becomes_partial(
            f"{_at(calling_line(self.recording.path))} reads what an earlier pending statement makes ({message})"
        )
        raise error

    def _judge_read(self, touched: frozenset[str] | None, parameters: Sequence[Any]) -> None:
        """Say so when the answer may be another one by the time apply runs."""
        recording = self.recording
        if recording is None or not self.wrote_before:
            return
        place = _at(calling_line(recording.path))
        if touched is None:
            recording.becomes_partial(f"{place} reads outside a transaction after earlier writes")
            return
        stale = sorted(name for name in touched if self._holds_opaque_write or self._mentioned(name))
        if stale:
            recording.becomes_partial(f"{place} reads {', '.join(stale)}, which an earlier pending statement changes")
        elif not touched and any(self._mentioned(name) for name in _names_in(parameters)):
            recording.becomes_partial(f"{place} asks the catalog about what an earlier pending statement changes")

    def _mentioned(self, name: str) -> bool:
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
        return any(word.search(text) for text in self._held_back)

    def _session(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send, setting: bool) -> None:
        """Settings must hold while recording, as they do while applying: names resolve by search_path and role."""
        if not setting:
            send()
            return
        if self.inside_revision:
            self._note(cursor, sql, parameters)
        if cursor.connection.autocommit or not self.wrote_before:
            send()
            return
        with cursor.connection.cursor(cursor_factory=PlainCursor) as side:
            side.execute("SAVEPOINT erm_setting")
            try:
                send()
            except psycopg2.Error:  # SET ROLE to a role that a held-back write creates
                side.execute("ROLLBACK TO SAVEPOINT erm_setting")
                cursor.held_back = True

    def _write(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], opaque: bool) -> None:
        if self.inside_revision:
            self._note(cursor, sql, parameters)
            self._remember(sql, opaque)
        elif self.recording is not None:
            self.recording.version_statements.append(_literal(cursor, sql, parameters))
        columns = _returned_columns(cursor)
        if columns:
            with_shape = "SELECT " + ", ".join(["NULL"] * columns) + " WHERE false"
            PlainCursor.execute(cursor, with_shape)

    def _remember(self, sql: str, opaque: bool) -> None:
        self._held_back.append(sql)
        self._holds_opaque_write = self._holds_opaque_write or opaque

    def _note(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], read: bool = False) -> None:
        assert self.recording is not None
        self.recording.statements.append(
            RecordedStatement(
                sql=sql,
                line=calling_line(self.recording.path),
                autocommit=bool(cursor.connection.autocommit),
                parameter_sets=len(parameters),
                raw=cursor.context is None,
                read=read,
                literal=_literal(cursor, sql, parameters),
            )
        )


def _at(line: int | None) -> str:
    return "the revision" if line is None else f"line {line}"


def _names_in(parameters: Sequence[Any]) -> list[str]:
    """Every text among the parameters: SQLAlchemy's inspector binds the names that it asks about."""
    found: list[str] = []
    todo: list[Any] = list(parameters)
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            todo.extend(value.values())
        elif isinstance(value, (list, tuple, set)):
            todo.extend(value)
    return [name for name in found if name]


def _literal(cursor: GatedCursor, sql: str, parameters: Sequence[Any]) -> str:
    """The text with its values in place, quoted by the driver."""
    try:
        rows = [cursor.mogrify(sql, row).decode() for row in parameters] or [sql]
    except (psycopg2.Error, TypeError, ValueError, KeyError, IndexError):
        return sql
    return ";\n".join(rows)


def _returned_columns(cursor: GatedCursor) -> int:
    """How many columns SQLAlchemy expects back (INSERT ... RETURNING): it needs a result of that shape."""
    compiled = getattr(cursor.context, "compiled", None)
    return len(getattr(compiled, "effective_returning", None) or ())
