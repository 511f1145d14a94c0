"""One database for the tests of a process whose changes are rolled back, and the transaction around each of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

from erm_alembic.postgres.outer_transaction import COMMITTED, end_of, transaction_number
from erm_alembic.testing.failing import told_as_failure
from erm_alembic.testing.sandbox.sandbox import TestDatabase

__all__ = ["Outer", "SharedDatabase", "outer_transaction"]

ESCAPED = (
    "This test has ended the transaction of erm_session: it sent COMMIT, ROLLBACK or BEGIN as text.\n"
    "What it wrote was committed; the next test gets a new database.\n"
    "Commit the session, whose commits end a savepoint, or use erm_database, in which a test may do as it likes."
)


class SharedDatabase:
    """The database of `erm_session`, made when it is first needed, and anew when something was committed to it.

    Args:
        make: makes a database like those of other tests.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[TestDatabase]]) -> None:
        self._make = make
        self._stack = ExitStack()
        self._database: TestDatabase | None = None

    @property
    def database(self) -> TestDatabase:
        """The database; the failure of its making is pytest's."""
        if self._database is None:
            with told_as_failure():
                self._database = self._stack.enter_context(self._make())
        return self._database

    def refuse(self) -> None:
        """Drop it, and fail the test that has committed something to it."""
        self.close()
        pytest.fail(ESCAPED, pytrace=False)

    def close(self) -> None:
        """Drop it; the next one who needs it makes it anew."""
        self._database = None
        self._stack.close()


@dataclass(frozen=True)
class Outer:
    """A connection in a transaction that is rolled back, and a maker of sessions within it.

    Args:
        connection: the connection: `Connection`, or `AsyncConnection`.
        sessionmaker: makes sessions on it, whose commits end a savepoint.
    """

    connection: Any
    sessionmaker: Any


@contextmanager
def outer_transaction(shared: SharedDatabase, driver: str, options: Mapping[str, Any]) -> Iterator[Outer]:
    """A connection in a transaction that is rolled back with the block.

    Args:
        shared: the database.
        driver: the driver of the connection.
        options: what else its sessions are told.
    """
    engine = create_engine(_address(shared, driver), poolclass=NullPool)
    sessions: list[Session] = []
    with engine.connect() as connection:
        transaction = connection.begin()
        number = connection.scalar(transaction_number())
        make = sessionmaker(class_=_noted(Session, sessions), **_joined(connection, options))
        try:
            yield Outer(connection, make)
        finally:
            for session in sessions:
                with contextlib.suppress(SQLAlchemyError):
                    session.close()
            with contextlib.suppress(SQLAlchemyError):  # the test has lost it
                if transaction.is_active:
                    transaction.rollback()
    with engine.connect() as connection:
        escaped = connection.scalar(end_of(number)) == COMMITTED
    if escaped:
        shared.refuse()


@asynccontextmanager
async def async_outer_transaction(
    shared: SharedDatabase, driver: str, options: Mapping[str, Any]
) -> AsyncIterator[Outer]:
    """The same for asynchronous sessions; the arguments are those of `outer_transaction`."""
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

    engine = create_async_engine(_address(shared, driver), poolclass=NullPool)
    sessions: list[AsyncSession] = []
    async with engine.connect() as connection:
        transaction = await connection.begin()
        number = await connection.scalar(transaction_number())
        options = {"expire_on_commit": False, **options}
        make = async_sessionmaker(class_=_noted(AsyncSession, sessions), **_joined(connection, options))
        try:
            yield Outer(connection, make)
        finally:
            for session in sessions:
                with contextlib.suppress(SQLAlchemyError):
                    await session.close()
            with contextlib.suppress(SQLAlchemyError):
                if transaction.is_active:
                    await transaction.rollback()
    async with engine.connect() as connection:
        escaped = await connection.scalar(end_of(number)) == COMMITTED
    if escaped:
        shared.refuse()


def _address(shared: SharedDatabase, driver: str) -> Any:
    return shared.database.address.sqlalchemy_url(f"postgresql+{driver}")


def _joined(connection: Connection | Any, options: Mapping[str, Any]) -> dict[str, Any]:
    return {**options, "bind": connection, "join_transaction_mode": "create_savepoint"}


def _noted(kind: Any, sessions: list[Any]) -> Any:
    """A class of sessions whose instances are known, so that they can be closed before the transaction ends."""

    class Noted(kind):  # type: ignore[misc]
        def __init__(self, *args: Any, **kw: Any) -> None:
            super().__init__(*args, **kw)
            sessions.append(self)

    Noted.__name__ = Noted.__qualname__ = kind.__name__
    return Noted
