"""The fixtures of asynchronous sessions that are rolled back, for pytest-asyncio and for anyio's own plugin.

A connection belongs to an event loop. Which loop a test runs in is a matter of its plugin: pytest-asyncio has one a
scope, and anyio's has its own. The fixture that a test asks for takes the connection from a fixture of that loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from erm_alembic.testing.committing import note_outer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker

    from erm_alembic.testing.sandbox.outer import Outer, SharedDatabase

__all__ = [
    "IN_LOOPS",
    "LOOPS",
    "erm_async_connection",
    "erm_async_session",
    "erm_async_sessionmaker",
    "in_anyio_loop",
    "outer_in_loop",
    "refuse_what_is_missing",
    "with_asyncio",
]

# The scopes of pytest-asyncio's loops.
LOOPS = ("function", "class", "module", "package", "session")
IN_LOOPS = "erm_alembic.testing.in_loops"
TOO_OLD = (
    "erm_async_session needs pytest-asyncio 1.0 or newer, whose fixtures say in which loop they run.\n"
    "Type: pip install --upgrade pytest-asyncio"
)
MISSING = (
    "SQLAlchemy needs {} for asyncio, which is not installed.\n"
    "Asynchronous sessions and engines cannot be had.\n"
    "Type: pip install 'erm-alembic[async]', which brings greenlet and asyncpg; erm_async_driver names another driver."
)
NO_LOOP = (
    "erm_async_session is for tests that run in an event loop, and this one does not.\n"
    "Mark it with pytest.mark.asyncio (pytest-asyncio) or pytest.mark.anyio (anyio)."
)


def in_asyncio_loop(scope: str) -> str:
    """The name of the fixture that opens a connection in the loop of one of pytest-asyncio's scopes."""
    return f"_erm_outer_transaction_in_{scope}_loop"


async def outer_in_loop(
    erm_shared_database: SharedDatabase, erm_async_driver: str, erm_session_options: Mapping[str, Any]
) -> AsyncIterator[Outer]:
    """The transaction around `erm_async_session`; what makes a fixture of it says in which loop."""
    from erm_alembic.testing.sandbox.outer import async_outer_transaction

    async with async_outer_transaction(erm_shared_database, erm_async_driver, erm_session_options) as outer:
        yield outer


@pytest.fixture(name="_erm_outer_transaction_in_anyio_loop")
async def in_anyio_loop(
    erm_shared_database: SharedDatabase, erm_async_driver: str, erm_session_options: Mapping[str, Any]
) -> AsyncIterator[Outer]:
    """The same in the loop of anyio's plugin, which runs every asynchronous fixture of a test of its own."""
    async for outer in outer_in_loop(erm_shared_database, erm_async_driver, erm_session_options):
        yield outer


@pytest.fixture
def erm_async_outer_transaction(request: pytest.FixtureRequest, erm_async_driver: str) -> Outer:
    """The transaction around `erm_async_session`, in the test's own loop."""
    fixture = _fixture_for(request)
    refuse_what_is_missing(erm_async_driver)
    outer: Outer = request.getfixturevalue(fixture)
    note_outer(request.node, outer)
    return outer


@pytest.fixture
def erm_async_connection(erm_async_outer_transaction: Outer) -> AsyncConnection:
    """The connection of `erm_async_session`, in the transaction that is rolled back."""
    connection: AsyncConnection = erm_async_outer_transaction.connection
    return connection


@pytest.fixture
def erm_async_sessionmaker(erm_async_outer_transaction: Outer) -> async_sessionmaker[AsyncSession]:
    """Makes asynchronous sessions in the same transaction, for code that opens its own."""
    make: async_sessionmaker[AsyncSession] = erm_async_outer_transaction.sessionmaker
    return make


@pytest.fixture
def erm_async_session(erm_async_sessionmaker: async_sessionmaker[AsyncSession]) -> AsyncSession:
    """An asynchronous session whose changes are rolled back after the test, however often it commits."""
    return erm_async_sessionmaker()


def refuse_what_is_missing(driver: str | None) -> None:
    """Fail in words where what SQLAlchemy needs in an event loop is not installed, for it does not bring that itself.

    Args:
        driver: the driver of asynchronous sessions; None where they have none of their own.
    """
    missing = [name for name in ("greenlet", driver) if name is not None and find_spec(name) is None]
    if missing:
        pytest.fail(MISSING.format(" and ".join(missing)), pytrace=False)


def with_asyncio(config: pytest.Config) -> bool:
    """Whether pytest-asyncio is among the plugins of a run."""
    return any(config.pluginmanager.has_plugin(name) for name in ("asyncio", "pytest_asyncio", "pytest_asyncio.plugin"))


def _fixture_for(request: pytest.FixtureRequest) -> str:
    marker = request.node.get_closest_marker("asyncio")
    if marker is not None and with_asyncio(request.config):
        if not request.config.pluginmanager.has_plugin(IN_LOOPS):
            pytest.fail(TOO_OLD, pytrace=False)
        named = marker.kwargs.get("loop_scope") or marker.kwargs.get("scope")
        return in_asyncio_loop(str(named or request.config.getini("asyncio_default_test_loop_scope")))
    if "anyio_backend" in request.fixturenames:
        return "_erm_outer_transaction_in_anyio_loop"
    pytest.fail(NO_LOOP, pytrace=False)
