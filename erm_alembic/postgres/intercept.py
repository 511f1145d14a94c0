"""A psycopg2 connection whose every statement passes one gate, whether SQLAlchemy or a raw cursor sends it.

SQLAlchemy's own events do not see a cursor that a revision opens by itself: the gate stands below them, in the cursor.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import psycopg2
from psycopg2 import extras
from psycopg2 import sql as composed
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, encodings
from psycopg2.extensions import connection as Psycopg2Connection
from psycopg2.extensions import cursor as Psycopg2Cursor
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.pool import NullPool

from erm_alembic.postgres.signals import remember_opened

__all__ = ["Asked", "Gate", "GatedConnection", "GatedCursor", "connect_gated", "gated_engine", "tell_cursors"]

Send = Callable[[], None]


class Asked(NamedTuple):
    """What SQLAlchemy asked a cursor to do, so that it can be asked for again.

    Args:
        query: the text, its percent signs doubled for the driver.
        parameters: a set of parameters, or several sets.
    """

    query: str
    parameters: Any


class Gate(Protocol):
    """What sees each statement before the server does."""

    def pass_through(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        """Send a statement, or do not.

        Args:
            cursor: the cursor it comes through; `cursor.context` is SQLAlchemy's execution context, None for raw use.
            sql: the text with its placeholders.
            parameters: the sets of parameters, one a row; empty when there are none.
            send: sends it to the server.
        """

    def rowcount(self, cursor: GatedCursor) -> int:
        """What the cursor answers for `rowcount` when its last statement was not sent."""


class GatedCursor(Psycopg2Cursor):
    """A cursor that asks its connection's gate before it sends anything.

    What the gate may set: `held_back` (the last statement was not sent), `answered` (another one was, for the shape of
    its result), `noted_rowcount` (what that one touched when it was sent, earlier), `on_fetch` (called when the result
    of a statement that was not sent is fetched) and `on_rows` (called when any result is fetched). `asked` is what it
    was asked for, where that is all that it takes to ask for it again.
    """

    context: Any = None
    held_back = False
    answered = False
    on_fetch: Callable[[], None] | None = None
    on_rows: Callable[[], None] | None = None
    composed: str | None = None
    asked: Asked | None = None
    noted_rowcount = -1

    def execute(self, query: Any, vars: Any = None) -> None:
        batch = _batch_of_extras(query)
        self.asked = Asked(query, vars) if isinstance(query, str) and vars is not None else None
        query = _fixed(self, query)
        if batch is None and vars is not None and not vars:
            # SQLAlchemy doubles each percent sign and hands over no values, for the driver to halve them again.
            shown = self.mogrify(query, vars).decode(encodings[self.connection.encoding])
            self._ask(shown, [], lambda: super(GatedCursor, self).execute(query, vars))
        elif batch is None:
            self._ask(query, [] if vars is None else [vars], lambda: super(GatedCursor, self).execute(query, vars))
        else:
            template, rows = batch
            self._ask(
                template, rows, lambda: super(GatedCursor, self).execute(query, vars), composed=_text(self, query)
            )

    def executemany(self, query: Any, vars_list: Any) -> None:
        rows = list(vars_list)
        self.asked = Asked(query, rows) if isinstance(query, str) and rows else None
        query = _fixed(self, query)
        self._ask(query, rows, lambda: super(GatedCursor, self).executemany(query, rows))

    def callproc(self, procname: Any, parameters: Any = None) -> None:
        self.asked = None
        values = parameters or ()
        names = [f'"{name}":=%({name})s' for name in values] if isinstance(values, dict) else ["%s"] * len(values)
        self._ask(
            f"SELECT * FROM {procname}({','.join(names)})",  # noqa: S608 - only shown; psycopg2 composes its own
            [values] if values else [],
            lambda: super(GatedCursor, self).callproc(procname, parameters),
        )

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        self.asked = None
        sql = _fixed(self, sql)
        self._ask(sql, [], lambda: super(GatedCursor, self).copy_expert(sql, file, size))

    def copy_from(
        self,
        file: Any,
        table: str,
        sep: str = "\t",
        null: str = "\\N",
        size: int = 8192,
        columns: Iterable[str] | None = None,
    ) -> None:
        self.copy_expert(_copy("{} FROM STDIN", table, sep, null, columns), file, size)

    def copy_to(
        self, file: Any, table: str, sep: str = "\t", null: str = "\\N", columns: Iterable[str] | None = None
    ) -> None:
        self.copy_expert(_copy("{} TO STDOUT", table, sep, null, columns), file)

    def _ask(self, query: Any, rows: list[Any], send: Send, composed: str | None = None) -> None:
        gate: Gate | None = getattr(self.connection, "gate", None)
        if gate is None:
            send()
            return
        self.held_back, self.answered, self.composed = True, False, composed
        self.on_fetch = self.on_rows = None

        def sent() -> None:
            self.held_back = False
            send()

        gate.pass_through(self, _text(self, query), rows, sent)

    @property
    def rowcount(self) -> int:
        gate: Gate | None = getattr(self.connection, "gate", None)
        if gate is not None and self.held_back:
            return gate.rowcount(self)
        return super().rowcount

    @property
    def description(self) -> Any:
        # What an earlier statement on this cursor left behind is no answer to one that was not sent.
        return None if self.held_back and not self.answered else super().description

    def fetchone(self) -> Any:
        self._before_fetch()
        return super().fetchone()

    def fetchmany(self, size: int | None = None) -> Any:
        self._before_fetch()
        return super().fetchmany(self.arraysize if size is None else size)

    def fetchall(self) -> Any:
        self._before_fetch()
        return super().fetchall()

    def __iter__(self) -> Any:
        self._before_fetch()
        return super().__iter__()

    def __next__(self) -> Any:
        self._before_fetch()
        return super().__next__()

    def _before_fetch(self) -> None:
        if self.on_rows is not None:
            self.on_rows()
        if not self.held_back:
            return
        if self.on_fetch is not None:
            self.on_fetch()
        if not self.answered:
            raise psycopg2.ProgrammingError("no results to fetch")


class GatedConnection(Psycopg2Connection):
    """A psycopg2 connection with a gate; without one it behaves like any other."""

    gate: Gate | None = None
    on_commit: Callable[[], None] | None = None
    on_rollback: Callable[[], None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursor_factory = GatedCursor

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """Open a cursor: one of another class (DictCursor) passes the gate too; psycopg2's bare one does not."""
        factory = kwargs.get("cursor_factory", args[1] if len(args) > 1 else None)
        if factory not in (None, Psycopg2Cursor) and not issubclass(factory, GatedCursor):
            kwargs["cursor_factory"] = type(f"Gated{factory.__name__}", (GatedCursor, factory), {})
            args = args[:1]
        return super().cursor(*args, **kwargs)

    def commit(self) -> None:
        """Commit, and tell `on_commit`."""
        if self.on_commit is not None:
            self.on_commit()
        super().commit()

    def rollback(self) -> None:
        """Roll back, and tell `on_rollback`."""
        if self.on_rollback is not None:
            self.on_rollback()
        super().rollback()

    def tpc_prepare(self) -> None:
        """Prepare a two-phase transaction, which may be committed from anywhere: tell `on_commit`."""
        if self.on_commit is not None:
            self.on_commit()
        super().tpc_prepare()

    def tpc_commit(self, *xid: Any) -> None:
        """Commit a two-phase transaction, and tell `on_commit`."""
        if self.on_commit is not None:
            self.on_commit()
        super().tpc_commit(*xid)

    def tpc_rollback(self, *xid: Any) -> None:
        """Roll back a two-phase transaction, and tell `on_rollback`."""
        with self._ending():
            super().tpc_rollback(*xid)

    def reset(self) -> None:
        """Reset the session, which rolls back: tell `on_rollback`."""
        with self._ending():
            super().reset()

    def set_isolation_level(self, level: int | None) -> None:
        """Set the isolation level, for which psycopg2 rolls back: tell `on_rollback`."""
        with self._ending():
            super().set_isolation_level(level)

    def set_client_encoding(self, encoding: str) -> None:
        """Set the encoding, for which psycopg2 rolls back where it is another one: tell `on_rollback`."""
        with self._ending():
            super().set_client_encoding(encoding)

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Tell `on_rollback` where a transaction was under way before and is not any more."""
        under_way = self.info.transaction_status != TRANSACTION_STATUS_IDLE
        yield
        if under_way and self.on_rollback is not None and self.info.transaction_status == TRANSACTION_STATUS_IDLE:
            self.on_rollback()


def _fixed(cursor: Psycopg2Cursor, query: Any) -> Any:
    """The query as a text that says the same however often it is asked: what is looked at is what is sent."""
    if isinstance(query, composed.Composable):
        query = query.as_string(cursor)
    if isinstance(query, str):  # of a class of its own, too, whose characters are what the driver takes
        return str.__str__(query)
    return bytes.__getitem__(query, slice(None)) if isinstance(query, bytes) else query


def _text(cursor: Psycopg2Cursor, query: Any) -> str:
    fixed = _fixed(cursor, query)
    return fixed.decode(encodings[cursor.connection.encoding]) if isinstance(fixed, bytes) else str(fixed)


def _batch_of_extras(query: Any) -> tuple[Any, list[Any]] | None:
    """The text and the rows that psycopg2's execute_values() or execute_batch() has put together.

    What these send has the values, which may be personal data, in the text; a plan shows it without them.
    """
    frame = sys._getframe(2)
    if not isinstance(query, bytes) or frame.f_code.co_name not in ("execute_values", "execute_batch"):
        return None
    if frame.f_code.co_filename != extras.__file__:
        return None
    return frame.f_locals["sql"], list(frame.f_locals["page"])


def _copy(direction: str, table: str, sep: str, null: str, columns: Iterable[str] | None) -> composed.Composed:
    """The COPY that psycopg2 sends for copy_from() and copy_to()."""
    target: composed.Composable = composed.Identifier(table)
    if columns is not None:
        names = composed.SQL(",").join([composed.Identifier(name) for name in columns])
        target = composed.SQL("{} ({})").format(target, names)
    return composed.SQL("COPY " + direction + " WITH DELIMITER AS {} NULL AS {}").format(
        target, composed.Literal(sep), composed.Literal(null)
    )


def connect_gated(dsn: str, application_name: str) -> GatedConnection:
    """Open a gated connection.

    Args:
        dsn: a libpq URI or connection string.
        application_name: how the session is seen in `pg_stat_activity`.

    Raises:
        psycopg2.OperationalError: the server cannot be reached or refuses.
    """
    connection = psycopg2.connect(dsn, connection_factory=GatedConnection, fallback_application_name=application_name)
    assert isinstance(connection, GatedConnection)
    remember_opened(connection)
    return connection


def gated_engine(first: GatedConnection, url: URL, connect_more: Callable[[], GatedConnection]) -> Engine:
    """A SQLAlchemy engine whose first connection is the given one.

    Args:
        first: the connection that erm itself works on; whoever opened it closes it, and the deploy lock lives as long.
        url: the target's URL, for code that reads `bind.engine.url`.
        connect_more: opens further connections, for revisions that connect through `bind.engine` a second time.
    """
    waiting = [first]

    def creator() -> GatedConnection:
        return waiting.pop() if waiting else connect_more()

    # Closing what is given back rolls back; of a connection that was lost, SQLAlchemy's own reset logs a traceback.
    engine = create_engine(url, creator=creator, poolclass=NullPool, pool_reset_on_return=None)
    close = engine.dialect.do_close

    def do_close(connection: Any) -> None:
        if connection is not first:
            close(connection)

    engine.dialect.do_close = do_close  # type: ignore[method-assign,assignment]  # this engine's own

    tell_cursors(engine.dialect)
    return engine


def tell_cursors(dialect: Dialect) -> None:
    """Let each gated cursor know SQLAlchemy's context of what it is to send.

    By the dialect, not by an event: what listens to the engine is the project's, and is told from erm's own that way.

    Args:
        dialect: of an engine on gated connections, and of no other.
    """
    own: Any = dialect

    def told(send: Callable[..., None]) -> Callable[..., None]:
        def do(cursor: Any, *args: Any) -> None:
            cursor.context = args[-1]
            send(cursor, *args)

        return do

    for name in ("do_execute", "do_executemany", "do_execute_no_params"):
        setattr(own, name, told(getattr(own, name)))
