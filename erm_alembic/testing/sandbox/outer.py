"""One database for the tests of a process whose changes are rolled back, and the transaction around each of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from psycopg2.extensions import TRANSACTION_STATUS_IDLE as IDLE
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

from erm_alembic.postgres.outer_transaction import COMMITTED, END_OF, end_of, roll_back_prepared, transaction_number
from erm_alembic.testing.failing import told_as_failure
from erm_alembic.testing.sandbox.connection import HeldConnection
from erm_alembic.testing.sandbox.database import TestDatabase
from erm_alembic.testing.sandbox.sqlalchemy_internals import connect_as

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["Outer", "SharedDatabase", "outer_transaction"]

ESCAPED = (
    "This test has committed the transaction of erm_session: by COMMIT in a text, or commit() of the driver's own.\n"
    "What it wrote stays; the next test gets a new database.\n"
    "Commit the session or erm_connection, which end a savepoint, or use erm_database: there a test may do as it likes."
)
PREPARED = (
    "This test has prepared the transaction of erm_session, by PREPARE TRANSACTION in a text: it would have kept its\n"
    "locks, and anybody could have committed it. It was rolled back.\n"
    "Use erm_database for what commits in two phases."
)
ABORTED = "aborted"


class SharedDatabase:
    """The database of `erm_session`, made when it is first needed, and anew when something was committed to it.

    Args:
        make: makes a database like those of other tests.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[TestDatabase]]) -> None:
        self._make = make
        self._stack = ExitStack()
        self._database: TestDatabase | None = None
        self._engines: dict[str, Any] = {}
        # The number of the transaction whose test has failed for having committed it.
        self._told: int | None = None

    @property
    def database(self) -> TestDatabase:
        """The database; the failure of its making is pytest's."""
        if self._database is None:
            with told_as_failure():
                self._database = self._stack.enter_context(self._make())
        return self._database

    def engine(self, driver: str) -> Engine:
        """An engine of it that keeps no connections: what a session leaves in one is nobody else's."""
        engine: Engine = self._kept(f"postgresql+{driver}", create_engine, lambda made: made)
        return engine

    def async_engine(self, driver: str) -> AsyncEngine:
        """An asynchronous one, for any event loop."""
        from sqlalchemy.ext.asyncio import create_async_engine

        name = f"postgresql+{driver} of a loop"
        engine: AsyncEngine = self._kept(name, create_async_engine, lambda made: made.sync_engine)
        return engine

    def _kept(self, name: str, create: Callable[..., Any], connects: Callable[[Any], Engine]) -> Any:
        """One engine of each kind, since the first connection of an engine asks for more than the others."""
        if name not in self._engines:
            url = self.database.address.sqlalchemy_url(name.partition(" ")[0])
            engine = create(url, poolclass=NullPool)
            connect_as(connects(engine), HeldConnection)
            self._engines[name] = engine
        return self._engines[name]

    def refuse(self, number: int) -> None:
        """Fail the test that has committed something to it; once, however often that is noticed.

        Args:
            number: of the test's transaction.
        """
        if self._told != number:
            self._told = number
            pytest.fail(ESCAPED, pytrace=False)

    def close(self) -> None:
        """Drop it; the next one who needs it makes it anew."""
        self._database = None
        self._engines.clear()
        self._stack.close()


@dataclass(frozen=True)
class Outer:
    """A connection in a transaction that is rolled back, and a maker of sessions within it.

    Args:
        connection: the connection: `Connection`, or `AsyncConnection`.
        sessionmaker: makes sessions on it, whose commits end a savepoint.
        number: of the transaction.
        shared: the database.
    """

    connection: Any
    sessionmaker: Any
    number: int
    shared: SharedDatabase

    def refuse_commit(self) -> None:
        """Fail the test that has committed the transaction, as soon as its function is over.

        Who has sent a COMMIT is told by the driver at once, or by the server; what neither tells is told at the end.
        """
        end = None
        with contextlib.suppress(Exception):  # a connection that the test has broken or closed has committed nothing
            end = self._end()
        if end == COMMITTED:
            self.shared.refuse(self.number)

    def _end(self) -> Any:
        """How the transaction has ended; None while it is under way. Its driver is asked: no listener hears of that."""
        synchronous = getattr(self.connection, "sync_connection", self.connection)
        driver = synchronous.connection.driver_connection
        if synchronous is self.connection:
            with driver.cursor() as cursor:
                cursor.execute(END_OF, [self.number])
                return cursor.fetchone()[0]
        is_within = getattr(driver, "is_in_transaction", None)  # of asyncpg
        if is_within() if is_within is not None else driver.info.transaction_status != IDLE:
            return None
        with self.shared.engine("psycopg2").connect() as connection:
            return connection.scalar(end_of(self.number))


@contextmanager
def outer_transaction(shared: SharedDatabase, driver: str, options: Mapping[str, Any]) -> Iterator[Outer]:
    """A connection in a transaction that is rolled back with the block.

    Args:
        shared: the database.
        driver: the driver of the connection.
        options: what else its sessions are told.
    """
    sessions: list[Session] = []
    engine = shared.engine(driver)
    with engine.connect() as connection:
        transaction = connection.begin()
        number = connection.scalar(transaction_number())
        make = sessionmaker(**_joined(connection, {"class_": Session, **options}, sessions))
        held = _held(connection)
        try:
            yield Outer(connection, make, number, shared)
        finally:
            held.let_go()
            for session in sessions:
                with contextlib.suppress(SQLAlchemyError):
                    session.close()
            with contextlib.suppress(SQLAlchemyError):  # the test has lost it
                if transaction.is_active:
                    transaction.rollback()
        end = None if connection.closed else connection.scalar(end_of(number))
    if end is None:
        with engine.connect() as connection:
            end = connection.scalar(end_of(number))
    _refuse_what_stays(shared, number, end)


@asynccontextmanager
async def async_outer_transaction(
    shared: SharedDatabase, driver: str, options: Mapping[str, Any]
) -> AsyncIterator[Outer]:
    """The same for asynchronous sessions; the arguments are those of `outer_transaction`."""
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

    sessions: list[AsyncSession] = []
    engine = shared.async_engine(driver)
    async with engine.connect() as connection:
        transaction = await connection.begin()
        number = await connection.scalar(transaction_number())
        options = {"class_": AsyncSession, "expire_on_commit": False, **options}
        make = async_sessionmaker(**_joined(connection, options, sessions))
        held = _held(connection.sync_connection)
        try:
            yield Outer(connection, make, number, shared)
        finally:
            held.let_go()
            for session in sessions:
                with contextlib.suppress(SQLAlchemyError):
                    await session.close()
            with contextlib.suppress(SQLAlchemyError):
                if transaction.is_active:
                    await transaction.rollback()
        end = None if connection.closed else await connection.scalar(end_of(number))
    if end is None:
        async with engine.connect() as connection:
            end = await connection.scalar(end_of(number))
    _refuse_what_stays(shared, number, end)


def _refuse_what_stays(shared: SharedDatabase, number: int, end: str | None) -> None:
    """Fail a test whose transaction was not rolled back: one that is prepared is under way without any session."""
    is_prepared = end != ABORTED and roll_back_prepared(shared.engine("psycopg2"))
    if end == COMMITTED:
        shared.close()
        shared.refuse(number)
    elif is_prepared:
        pytest.fail(PREPARED, pytrace=False)


def _held(connection: Connection | None) -> HeldConnection:
    """The connection of an engine of `SharedDatabase`, whose transaction nobody ends by its methods any more."""
    assert isinstance(connection, HeldConnection)
    connection.hold()
    return connection


def _joined(
    connection: Connection | AsyncConnection, options: Mapping[str, Any], sessions: list[Any]
) -> dict[str, Any]:
    """The options of sessions that take part in the transaction of a connection, and are known."""
    class_ = _noted(options["class_"], sessions)
    return {**options, "class_": class_, "bind": connection, "join_transaction_mode": "create_savepoint"}


def _noted(kind: Any, sessions: list[Any]) -> Any:
    """A class of sessions whose instances are known, so that they can be closed before the transaction ends."""

    class Noted(kind):  # type: ignore[misc]  # a class that the project names
        def __init__(self, *args: Any, **kw: Any) -> None:
            super().__init__(*args, **kw)
            sessions.append(self)

    Noted.__name__ = Noted.__qualname__ = kind.__name__
    return Noted
