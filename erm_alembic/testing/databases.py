"""The fixtures of databases: one a test, with every revision applied. Nothing is imported until a test asks for one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from erm_alembic.testing.asynchronous import refuse_what_is_missing
from erm_alembic.testing.failing import told_as_failure
from erm_alembic.testing.options import chosen

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from erm_alembic.testing.history.reports import Reports
    from erm_alembic.testing.sandbox.database import TestDatabase
    from erm_alembic.testing.sandbox.preparing import Making
    from erm_alembic.testing.sandbox.sandbox import Sandbox

__all__ = [
    "erm_async_driver",
    "erm_async_engine",
    "erm_database",
    "erm_database_factory",
    "erm_engine",
    "erm_prepare",
    "erm_reports",
    "erm_sandbox",
    "erm_seed",
    "erm_template",
]


@pytest.fixture(scope="session")
def erm_prepare() -> Making:
    """What is made before the first revision, such as extensions: SQL, or a function that is given an engine; yours."""
    return None


@pytest.fixture(scope="session")
def erm_seed() -> Making:
    """What every test finds besides the schema: SQL, or a function that is given an engine; yours to define."""
    return None


@pytest.fixture
def erm_async_driver() -> str:
    """The driver of asynchronous sessions: `asyncpg` where it is installed, else `psycopg`; yours to define."""
    return "asyncpg" if find_spec("asyncpg") is not None else "psycopg"


@pytest.fixture(scope="session")
def erm_sandbox(pytestconfig: pytest.Config, erm_prepare: Making, erm_seed: Making) -> Iterator[Sandbox]:
    """Makes the databases of this test process; all of a run's processes share its templates."""
    from erm_alembic.testing.sandbox.sandbox import Sandbox

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
    with ExitStack() as stack:
        with told_as_failure():
            sandbox = stack.enter_context(Sandbox(chosen(pytestconfig), erm_prepare, erm_seed, run))
        yield sandbox


@pytest.fixture(scope="session")
def erm_template(erm_sandbox: Sandbox) -> Sandbox:
    """The sandbox with its template made: what fails in it is told to every test, and tried once."""
    with told_as_failure():
        erm_sandbox.make_template()
    return erm_sandbox


@pytest.fixture
def erm_database(erm_template: Sandbox, erm_driver: str, erm_async_driver: str) -> Iterator[TestDatabase]:
    """A database of the test's own, with every revision applied; it is dropped afterwards."""
    with ExitStack() as stack:
        with told_as_failure():
            database = stack.enter_context(erm_template.database(driver=erm_driver, async_driver=erm_async_driver))
        yield database


@pytest.fixture
def erm_database_factory(
    erm_sandbox: Sandbox, erm_driver: str, erm_async_driver: str
) -> Iterator[Callable[..., TestDatabase]]:
    """Makes further databases: `factory()`, `factory(revision="3a1f")`, `factory(empty=True)`; dropped afterwards."""
    with ExitStack() as stack:

        def make(*, revision: str | None = None, empty: bool = False) -> TestDatabase:
            with told_as_failure():
                return stack.enter_context(
                    erm_sandbox.database(
                        revision=revision, empty=empty, driver=erm_driver, async_driver=erm_async_driver
                    )
                )

        yield make


@pytest.fixture
def erm_engine(erm_database: TestDatabase) -> Iterator[Engine]:
    """An engine of `erm_database`, for code that commits as it likes."""
    from sqlalchemy import create_engine

    engine = create_engine(erm_database.url)
    yield engine
    engine.dispose()


@pytest.fixture
def erm_async_engine(erm_database: TestDatabase, erm_async_driver: str) -> AsyncEngine:
    """An asynchronous engine of `erm_database`; it keeps no connection, so that no event loop has to close one."""
    refuse_what_is_missing(erm_async_driver)
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    return create_async_engine(erm_database.async_url, poolclass=NullPool)


@pytest.fixture(scope="session")
def erm_reports(erm_sandbox: Sandbox, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """What erm says of the project's history, for the tests of `erm_alembic.testing.migrations` and your own."""
    from erm_alembic.testing.history.reports import Reports

    folder = tmp_path_factory.getbasetemp()
    # The processes of pytest-xdist have folders within the run's.
    return Reports(erm_sandbox, chosen(pytestconfig), folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)
