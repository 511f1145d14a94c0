"""What a transaction has sent to the primary, as far as it may be committed there however the transaction ends.

A rollback undoes what a session has sent only where nothing else commits: a connection in AUTOCOMMIT commits each
statement by itself, the words COMMIT may stand in somebody's text, a procedure may commit, and of what is sent over a
connection that was handed out nothing is known.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql import CompoundSelect, Select
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.functions import FunctionElement

from erm_alembic.routing.connections.open_connections import tell_of
from erm_alembic.routing.connections.read_only import Guard, commits_by_itself, watch

__all__ = ["Sent"]

# Statements that SQLAlchemy makes, none of which ends a transaction.
_WITHIN = (Select, CompoundSelect, UpdateBase, FunctionElement)


class Sent:
    """What one transaction of a session has sent to the primary."""

    wrote = False  # something that is not known to be a pure read
    unbounded = False  # something that may have ended the transaction
    by_itself = False  # over a connection that commits each statement
    _connections: tuple[Connection, ...] = ()
    _guard: Guard | None = None

    @property
    def may_be_kept(self) -> bool:
        """Whether something may have been committed though nobody has told the session to commit."""
        return self.wrote and (self.unbounded or self.by_itself)

    def note(self, statement: Any, *, flushes: bool) -> None:
        """Note something that is not known to be a pure read.

        Args:
            statement: the statement; None where a connection is asked for.
            flushes: whether that is asked for by a flush, which sends nothing but its own.
        """
        self.writes()
        if statement is None:
            self.unbounded = self.unbounded or not flushes
        else:
            self.unbounded = self.unbounded or not isinstance(statement, _WITHIN)

    def writes(self) -> None:
        """Take it that something is written."""
        if not self.wrote:
            self.wrote = True
            for connection in self._connections:
                tell_of(connection, only_reads=False)

    def take(self, connection: Connection) -> None:
        """Take note of a connection to the primary.

        Args:
            connection: the connection.
        """
        self.by_itself = self.by_itself or commits_by_itself(connection)
        self._connections += (connection,)
        tell_of(connection, only_reads=not self.wrote)
        if self._guard is not None:
            watch(connection, self._guard)

    def watch(self, guard: Guard) -> None:
        """Look from now on at what the transaction sends: it may be in a block that prevents writes.

        Args:
            guard: says what may be sent.
        """
        self._guard = guard
        for connection in self._connections:
            watch(connection, guard)
