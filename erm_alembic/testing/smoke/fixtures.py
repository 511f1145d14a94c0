"""The fixtures of a run of smoke tests: those of its own names, and those that other runs have under theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session, sessionmaker

from erm_alembic.testing.asynchronous import refuse_what_is_missing
from erm_alembic.testing.smoke.engines import JoinedEngines

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

__all__ = ["SmokeFixtures"]


class SmokeFixtures:
    """The fixtures of smoke tests.

    Args:
        engines: those of the process.
    """

    def __init__(self, engines: JoinedEngines) -> None:
        self._engines = engines

    @pytest.fixture
    def erm_smoke_engine(self) -> Iterator[Engine]:
        """An engine whose connections all are in the test's transaction, each within a savepoint."""
        engine = self._engines.engine()
        yield engine
        engine.dispose()

    @pytest.fixture
    def erm_smoke_connection(self, erm_smoke_engine: Engine) -> Iterator[Connection]:
        """A connection in the test's transaction."""
        with erm_smoke_engine.connect() as connection:
            yield connection

    @pytest.fixture
    def erm_smoke_sessionmaker(
        self, erm_smoke_engine: Engine, erm_session_options: Mapping[str, Any]
    ) -> sessionmaker[Session]:
        """Makes sessions in the test's transaction, each within a savepoint."""
        return sessionmaker(erm_smoke_engine, **erm_session_options)

    @pytest.fixture
    def erm_smoke_session(self, erm_smoke_sessionmaker: sessionmaker[Session]) -> Iterator[Session]:
        """A session in the test's transaction."""
        with erm_smoke_sessionmaker() as session:
            yield session

    @pytest.fixture
    def erm_smoke_async_engine(self) -> AsyncEngine:
        """An asynchronous engine whose connections all are in the test's transaction, each within a savepoint."""
        refuse_what_is_missing(None)
        return self._engines.async_engine()

    @pytest.fixture
    def erm_smoke_async_sessionmaker(
        self, erm_smoke_async_engine: AsyncEngine, erm_session_options: Mapping[str, Any]
    ) -> async_sessionmaker[AsyncSession]:
        """Makes asynchronous sessions in the test's transaction, each within a savepoint."""
        from sqlalchemy.ext.asyncio import async_sessionmaker

        return async_sessionmaker(erm_smoke_async_engine, **erm_session_options)

    @pytest.fixture
    def erm_smoke_async_session(
        self, erm_smoke_async_sessionmaker: async_sessionmaker[AsyncSession]
    ) -> Iterator[AsyncSession]:
        """An asynchronous session in the test's transaction."""
        session = erm_smoke_async_sessionmaker()
        yield session
        session.sync_session.close()  # its connection is never awaited, so that no event loop is needed

    # The same under the names that they have in other runs, for tests of both.

    @pytest.fixture
    def erm_engine(self, erm_smoke_engine: Engine) -> Engine:
        """An engine for the target."""
        return erm_smoke_engine

    @pytest.fixture
    def erm_connection(self, erm_smoke_connection: Connection) -> Connection:
        """A connection to the target."""
        return erm_smoke_connection

    @pytest.fixture
    def erm_sessionmaker(self, erm_smoke_sessionmaker: sessionmaker[Session]) -> sessionmaker[Session]:
        """Makes sessions on the target."""
        return erm_smoke_sessionmaker

    @pytest.fixture
    def erm_session(self, erm_smoke_session: Session) -> Session:
        """A session on the target."""
        return erm_smoke_session

    @pytest.fixture
    def erm_async_engine(self, erm_smoke_async_engine: AsyncEngine) -> AsyncEngine:
        """An asynchronous engine for the target."""
        return erm_smoke_async_engine

    @pytest.fixture
    def erm_async_sessionmaker(
        self, erm_smoke_async_sessionmaker: async_sessionmaker[AsyncSession]
    ) -> async_sessionmaker[AsyncSession]:
        """Makes asynchronous sessions on the target."""
        return erm_smoke_async_sessionmaker

    @pytest.fixture
    def erm_async_session(self, erm_smoke_async_session: AsyncSession) -> AsyncSession:
        """An asynchronous session on the target."""
        return erm_smoke_async_session
