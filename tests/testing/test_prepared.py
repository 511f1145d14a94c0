"""A test that prepares the transaction which is to be rolled back after it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, nullcontext

import pytest
from sqlalchemy import text

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.testing.sandbox.database import TestDatabase
from erm_alembic.testing.sandbox.outer import SharedDatabase, async_outer_transaction, outer_transaction
from tests.support.databases import newest
from tests.support.servers import PrivateServer, private_server

INSERT, PREPARE = text("INSERT INTO t VALUES (1)"), text("PREPARE TRANSACTION 'it''s left'")


@pytest.fixture
def server() -> Iterator[PrivateServer]:
    """A server that takes prepared transactions."""
    with private_server(newest(), max_prepared_transactions="5") as server:
        server.execute("CREATE TABLE t (n int PRIMARY KEY)")
        yield server


def test_a_prepared_transaction_is_rolled_back_and_fails_the_test(server: PrivateServer) -> None:
    """Whatever the driver; else it would hold its locks, and the database, for good."""
    database = TestDatabase("postgres", DatabaseUrl.parse(server.url()))
    with closing(SharedDatabase(lambda: nullcontext(database))) as shared:
        for driver in ("psycopg2", "psycopg"):
            with (
                pytest.raises(pytest.fail.Exception, match="PREPARE TRANSACTION"),
                outer_transaction(shared, driver, {}) as outer,
            ):
                outer.connection.execute(INSERT)
                outer.connection.execute(PREPARE)
                outer.refuse_commit()

        async def prepares() -> None:
            async with async_outer_transaction(shared, "asyncpg", {}) as outer:
                await outer.connection.execute(INSERT)
                await outer.connection.execute(PREPARE)

        with pytest.raises(pytest.fail.Exception, match="PREPARE TRANSACTION"):
            asyncio.run(prepares())
        with outer_transaction(shared, "psycopg2", {}) as outer:  # waits for nobody
            outer.connection.execute(INSERT)
    assert server.execute("SELECT count(*) FROM t") == [(0,)]
    assert server.execute("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]
