"""The one connection of a run of smoke tests: it looks like any other of psycopg2's, and never ends its transaction.

`commit()` is refused (or, where the test says so, ends a savepoint), `rollback()` goes back to the savepoint of whoever
calls it, `close()` leaves it open for the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, encodings
from psycopg2.extensions import connection as Psycopg2Connection
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.postgres.intercept import GatedConnection, GatedCursor
from erm_alembic.testing.smoke.job import HERE

__all__ = ["Holder", "SmokeConnection", "plain_cursor", "set_autocommit"]


class Holder(Protocol):
    """What holds the connection in its transaction."""

    def turn(self) -> AbstractContextManager[object | None]:
        """Have the connection; what is given is None where no test runs."""

    def commit(self) -> None:
        """Somebody commits."""

    def rollback(self) -> None:
        """Somebody rolls back."""

    def autocommits(self, value: bool) -> None:
        """Somebody wants each statement to commit by itself, or does not want it any more."""

    def refuse_to_leave(self, what: str) -> None:
        """Somebody calls what would end the transaction; nothing where it does no harm."""


# What leads to the server: of a server on this machine, it may be all that it takes to connect to it once more.
UNTOLD = ("password", "dsn_parameters", "host", "port", "socket")


class _Info:
    """What psycopg2 tells of a connection, but not where it leads."""

    def __init__(self, info: Any) -> None:
        self._info = info

    def __getattr__(self, name: str) -> Any:
        return None if name in UNTOLD else getattr(self._info, name)


class SmokeCursor(GatedCursor):
    """A cursor that asynchronous engines take for one of theirs too.

    What SQLAlchemy asks of the cursors of its own asynchronous drivers has no public name; the tests of asynchronous
    engines in tests/smoke fail when a new version asks for more.
    """

    @property
    def server_side(self) -> bool:
        """Whether its rows are fetched from the server bit by bit."""
        return self.name is not None

    async def _async_soft_close(self) -> None:
        """Nothing is left to be awaited."""

    def fetchone(self) -> Any:
        """Fetch a row; a cursor of the server's asks it for that, and would begin a transaction where none is."""
        return self._in_turn(super().fetchone)

    def fetchmany(self, size: int | None = None) -> Any:
        """Fetch rows."""
        return self._in_turn(super().fetchmany, size)

    def fetchall(self) -> Any:
        """Fetch all rows."""
        return self._in_turn(super().fetchall)

    def __next__(self) -> Any:
        return self._in_turn(super().__next__)

    def scroll(self, *args: Any, **kwargs: Any) -> None:
        """Go elsewhere in the rows."""
        self._in_turn(super().scroll, *args, **kwargs)

    def close(self) -> None:
        """Close it, in the server too, unless that has done so with the transaction."""
        holder = getattr(self.connection, "holder", None)
        if self.name is None or holder is None:
            super().close()
            return
        with holder.turn() as terms:
            if terms is not None:
                super().close()

    def _in_turn(self, do: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        holder = getattr(self.connection, "holder", None)
        if self.name is None or holder is None:
            return do(*args, **kwargs)
        with holder.turn() as terms:
            if terms is None:
                raise psycopg2.InterfaceError("the smoke test of this cursor is over")
            return do(*args, **kwargs)


class SmokeConnection(GatedConnection):
    """A connection that stays in the transaction in which `holder` holds it; without one it is any other."""

    holder: Holder | None = None

    @property
    def info(self) -> Any:
        """What is known of the connection, but for where it leads."""
        return _Info(super().info)

    @property
    def dsn(self) -> str:
        """An address that leads nowhere."""
        return f"host={HERE}"

    def get_dsn_parameters(self) -> dict[str, str]:
        """An address that leads nowhere."""
        return {"host": HERE}

    @property
    def autocommit(self) -> bool:
        """Whether each statement commits by itself: never, in a test."""
        return False if self.holder is not None else bool(super().autocommit)

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        if self.holder is None:
            set_autocommit(self, value)
        else:
            self.holder.autocommits(bool(value))

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """Open a cursor, every statement of which is looked at."""
        arguments = dict(zip(("name", "cursor_factory"), args, strict=False)) | kwargs
        factory: Any = arguments.get("cursor_factory") or self.cursor_factory
        if factory in (PlainCursor, GatedCursor):
            factory = SmokeCursor
        elif not issubclass(factory, SmokeCursor):
            factory = type(f"Smoke{factory.__name__}", (SmokeCursor, factory), {})
        arguments["cursor_factory"] = factory
        return Psycopg2Connection.cursor(self, **arguments)

    def commit(self) -> None:
        """Commit: the holder refuses, or ends a savepoint."""
        if self.holder is None:
            super().commit()
        else:
            self.holder.commit()

    def rollback(self) -> None:
        """Go back to a savepoint of the holder's."""
        if self.holder is None:
            super().rollback()
        else:
            self.holder.rollback()

    def close(self) -> None:
        """Leave the connection open while it is held."""
        if self.holder is None:
            super().close()

    def set_session(self, *args: Any, **kwargs: Any) -> None:
        """The transaction is what it is: only autocommit is an escape."""
        if self.holder is None:
            super().set_session(*args, **kwargs)
            return
        wanted = kwargs.get("autocommit", args[3] if len(args) > 3 else None)
        if wanted is not None:
            self.holder.autocommits(bool(wanted))

    def set_isolation_level(self, level: int | None) -> None:
        """The transaction has its isolation level: only autocommit is an escape."""
        if self.holder is None:
            super().set_isolation_level(level)
        else:
            self.holder.autocommits(level == ISOLATION_LEVEL_AUTOCOMMIT)

    def set_client_encoding(self, encoding: str) -> None:
        """Another encoding would end the transaction."""
        if self.holder is None:
            super().set_client_encoding(encoding)
        elif encodings.get(encoding.upper().replace("-", ""), encoding) != encodings.get(self.encoding):
            self.holder.refuse_to_leave("change the encoding of the connection")

    def lobject(self, *args: Any, **kwargs: Any) -> Any:
        """Open a large object, within a test only: it would begin a transaction by itself."""
        if self.holder is None:
            return super().lobject(*args, **kwargs)
        with self.holder.turn() as terms:
            if terms is None:
                raise psycopg2.InterfaceError("no smoke test runs")
            if not getattr(terms, "writes", False) and not _only_reads(*args, **kwargs):
                raise psycopg2.InterfaceError("a smoke test that only reads makes and changes no large object")
            return super().lobject(*args, **kwargs)

    def reset(self) -> None:
        """It would end the transaction."""
        if self.holder is None:
            super().reset()
        else:
            self.holder.refuse_to_leave("reset the connection")

    def tpc_begin(self, *args: Any, **kwargs: Any) -> None:
        """A prepared transaction is committed from anywhere."""
        self._refuse_two_phase()

    def tpc_prepare(self) -> None:
        """A prepared transaction is committed from anywhere."""
        self._refuse_two_phase()

    def tpc_commit(self, *xid: Any) -> None:
        """It commits."""
        self._refuse_two_phase()

    def tpc_rollback(self, *xid: Any) -> None:
        """It ends somebody's transaction."""
        self._refuse_two_phase()

    def _refuse_two_phase(self) -> None:
        if self.holder is not None:
            self.holder.refuse_to_leave("commit in two phases")


def plain_cursor(connection: SmokeConnection) -> Any:
    """A cursor of erm's own, past everything that looks at the statements of tests.

    Args:
        connection: the connection.
    """
    return Psycopg2Connection.cursor(connection, cursor_factory=PlainCursor)


def set_autocommit(connection: SmokeConnection, value: bool) -> None:
    """Switch autocommit, for erm's own statements between two tests.

    Args:
        connection: the connection.
        value: whether each statement commits by itself.
    """
    Psycopg2Connection.autocommit.__set__(connection, value)  # type: ignore[attr-defined]  # of C: stubs call it an attribute


def _only_reads(oid: int = 0, mode: str = "", *further: Any, **others: Any) -> bool:
    """Whether opening a large object in this way leaves it as it is; without a number, it makes one."""
    return oid != 0 and "w" not in (mode or "") and not any(further) and not any(others.values())
