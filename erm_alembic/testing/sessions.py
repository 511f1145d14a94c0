"""The fixtures of sessions that are rolled back. Nothing is imported until a test asks for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from erm_alembic.testing.committing import note_outer

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session, sessionmaker

    from erm_alembic.testing.sandbox.outer import Outer, SharedDatabase
    from erm_alembic.testing.sandbox.sandbox import Sandbox

__all__ = ["erm_connection", "erm_session", "erm_session_options", "erm_sessionmaker", "erm_shared_database"]


@pytest.fixture(scope="session")
def erm_shared_database(erm_template: Sandbox) -> Iterator[SharedDatabase]:
    """The database of this process's sessions that are rolled back."""
    from erm_alembic.testing.sandbox.outer import SharedDatabase

    shared = SharedDatabase(erm_template.database)
    yield shared
    shared.close()


@pytest.fixture
def erm_session_options() -> Mapping[str, Any]:
    """What else sessions are told, such as `expire_on_commit` or `class_`; define a fixture of this name for yours."""
    return {}


@pytest.fixture
def erm_outer_transaction(
    request: pytest.FixtureRequest,
    erm_shared_database: SharedDatabase,
    erm_driver: str,
    erm_session_options: Mapping[str, Any],
) -> Iterator[Outer]:
    """The transaction around `erm_session`."""
    from erm_alembic.testing.sandbox.outer import outer_transaction

    with outer_transaction(erm_shared_database, erm_driver, erm_session_options) as outer:
        note_outer(request.node, outer)
        yield outer


@pytest.fixture
def erm_connection(erm_outer_transaction: Outer) -> Connection:
    """The connection of `erm_session`, in the transaction that is rolled back."""
    connection: Connection = erm_outer_transaction.connection
    return connection


@pytest.fixture
def erm_sessionmaker(erm_outer_transaction: Outer) -> sessionmaker[Session]:
    """Makes sessions in the same transaction, for code that opens its own."""
    make: sessionmaker[Session] = erm_outer_transaction.sessionmaker
    return make


@pytest.fixture
def erm_session(erm_sessionmaker: sessionmaker[Session]) -> Session:
    """A session whose changes are rolled back after the test, however often it commits."""
    return erm_sessionmaker()
