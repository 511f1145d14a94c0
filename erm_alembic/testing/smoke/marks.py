"""Smoke tests in a run of pytest that is none of `erm smoke`: they are left out, and say how they are run."""

from __future__ import annotations

from typing import NoReturn

import pytest

__all__ = [
    "MARK",
    "MARKER",
    "RUNNING",
    "erm_smoke_async_engine",
    "erm_smoke_async_session",
    "erm_smoke_async_sessionmaker",
    "erm_smoke_connection",
    "erm_smoke_engine",
    "erm_smoke_session",
    "erm_smoke_sessionmaker",
    "pytest_collection_modifyitems",
]

MARKER = "erm_smoke"
MARK = (
    f"{MARKER}(writes=False, nested_commits=False): run by `erm smoke` on a database in use, in a transaction that is "
    "rolled back; writes lets it change rows, nested_commits has a commit end a savepoint instead of failing"
)
# The name of the plugin that has the fixtures of such a run.
RUNNING = "erm-smoke-fixtures"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave smoke tests out of every other run."""
    if not config.pluginmanager.has_plugin(RUNNING):
        reason = pytest.mark.skip(reason="a smoke test; run it with: erm smoke --env NAME")
        for item in items:
            if item.get_closest_marker(MARKER) is not None:
                item.add_marker(reason)


@pytest.fixture
def erm_smoke_engine() -> NoReturn:
    """An engine whose connections all are in the transaction of a smoke test."""
    _refuse("erm_smoke_engine")


@pytest.fixture
def erm_smoke_connection() -> NoReturn:
    """A connection in the transaction of a smoke test."""
    _refuse("erm_smoke_connection")


@pytest.fixture
def erm_smoke_sessionmaker() -> NoReturn:
    """Makes sessions in the transaction of a smoke test."""
    _refuse("erm_smoke_sessionmaker")


@pytest.fixture
def erm_smoke_session() -> NoReturn:
    """A session in the transaction of a smoke test."""
    _refuse("erm_smoke_session")


@pytest.fixture
def erm_smoke_async_engine() -> NoReturn:
    """An asynchronous engine whose connections all are in the transaction of a smoke test."""
    _refuse("erm_smoke_async_engine")


@pytest.fixture
def erm_smoke_async_sessionmaker() -> NoReturn:
    """Makes asynchronous sessions in the transaction of a smoke test."""
    _refuse("erm_smoke_async_sessionmaker")


@pytest.fixture
def erm_smoke_async_session() -> NoReturn:
    """An asynchronous session in the transaction of a smoke test."""
    _refuse("erm_smoke_async_session")


def _refuse(name: str) -> NoReturn:
    pytest.fail(f"{name} is for tests marked @pytest.mark.{MARKER}, which `erm smoke` runs", pytrace=False)
