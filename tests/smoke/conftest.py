"""The databases and connections of the tests of smoke tests."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest

from erm_alembic.testing.smoke.connection import SmokeConnection
from erm_alembic.testing.smoke.escapes import Escapes
from erm_alembic.testing.smoke.gate import SmokeGate
from erm_alembic.testing.smoke.transaction import SmokeTransaction
from tests.smoke.holding import LIMITS, PlainConnection
from tests.support.databases import Database

TABLE = "CREATE TABLE t (id serial PRIMARY KEY, n int); INSERT INTO t (n) VALUES (1)"


@pytest.fixture
def held(database: Database) -> Iterator[SmokeTransaction]:
    """A connection to a database with a table, held for tests."""
    database.execute("CREATE TABLE t (id serial PRIMARY KEY, a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    connection = psycopg2.connect(database.url, connection_factory=SmokeConnection, application_name="erm smoke")
    transaction = SmokeTransaction(
        connection,
        Escapes(lambda what: None, lambda what: None),
        major=database.server.binaries.major,
        limits=LIMITS,
        role=None,
    )
    transaction.look_around()
    connection.gate = SmokeGate(transaction)
    yield transaction
    PlainConnection.close(connection)


@pytest.fixture
def filled(one_database: Database) -> Database:
    """A database with a table of one row."""
    one_database.execute(TABLE)
    return one_database
