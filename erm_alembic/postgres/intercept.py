"""A psycopg2 connection whose every statement passes one gate, whether SQLAlchemy or a raw cursor sends it.

SQLAlchemy's own events do not see a cursor that a revision opens by itself: the gate stands below them, in the cursor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import psycopg2
from psycopg2 import sql as composed
from psycopg2.extensions import connection as Psycopg2Connection
from psycopg2.extensions import cursor as Psycopg2Cursor
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

__all__ = ["Gate", "GatedConnection", "GatedCursor", "connect_gated", "gated_engine"]

Send = Callable[[], None]


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
    """A cursor that asks its connection's gate before it sends anything."""

    context: Any = None
    held_back = False

    def execute(self, query: Any, vars: Any = None) -> None:
        self._ask(query, [] if vars is None else [vars], lambda: super(GatedCursor, self).execute(query, vars))

    def executemany(self, query: Any, vars_list: Any) -> None:
        rows = list(vars_list)
        self._ask(query, rows, lambda: super(GatedCursor, self).executemany(query, rows))

    def callproc(self, procname: Any, parameters: Any = None) -> None:
        self._ask(f"CALL {procname}(...)", [], lambda: super(GatedCursor, self).callproc(procname, parameters))

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        self._ask(sql, [], lambda: super(GatedCursor, self).copy_expert(sql, file, size))

    def copy_from(self, file: Any, table: str, *args: Any, **kwargs: Any) -> None:
        self._ask(
            f"COPY {table} FROM STDIN", [], lambda: super(GatedCursor, self).copy_from(file, table, *args, **kwargs)
        )

    def copy_to(self, file: Any, table: str, *args: Any, **kwargs: Any) -> None:
        self._ask(f"COPY {table} TO STDOUT", [], lambda: super(GatedCursor, self).copy_to(file, table, *args, **kwargs))

    def _ask(self, query: Any, rows: list[Any], send: Send) -> None:
        gate: Gate | None = getattr(self.connection, "gate", None)
        if gate is None:
            send()
            return
        self.held_back = True

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


class GatedConnection(Psycopg2Connection):
    """A psycopg2 connection with a gate; without one it behaves like any other."""

    gate: Gate | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursor_factory = GatedCursor


def _text(cursor: Psycopg2Cursor, query: Any) -> str:
    if isinstance(query, composed.Composable):
        return query.as_string(cursor)
    return query.decode() if isinstance(query, bytes) else str(query)


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
    return connection


def gated_engine(first: GatedConnection, url: URL, connect_more: Callable[[], GatedConnection]) -> Engine:
    """A SQLAlchemy engine whose first connection is the given one.

    Args:
        first: the connection that erm itself works on.
        url: the target's URL, for code that reads `bind.engine.url`.
        connect_more: opens further connections, for revisions that connect through `bind.engine` a second time.
    """
    waiting = [first]

    def creator() -> GatedConnection:
        return waiting.pop() if waiting else connect_more()

    engine = create_engine(url, creator=creator, poolclass=NullPool)

    @event.listens_for(engine, "before_cursor_execute")
    def remember_context(
        _connection: Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _executemany: bool
    ) -> None:
        cursor.context = context

    return engine
