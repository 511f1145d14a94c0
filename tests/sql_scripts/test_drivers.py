"""The runner sends a script, and knows where it failed, on whatever driver a team's env.py uses."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from erm_alembic.revisions.sql import sql_scripts
from tests.support.databases import Database

SCRIPT = "CREATE TABLE a (t text DEFAULT '%s %% :x 5%');\nINSERT INTO a DEFAULT VALUES;\nSELECT t FROM a;\n"


def _run(connection: Connection, path: Path) -> None:
    context = MigrationContext.configure(connection)
    with Operations.context(context), context.begin_transaction():
        sql_scripts.upgrade(path)


def _send(database: Database, driver: str, path: Path) -> None:
    url = database.url.replace("postgresql:", f"postgresql+{driver}:")
    if driver != "asyncpg":
        with create_engine(url, poolclass=NullPool).connect() as connection:
            _run(connection, path)
        return

    async def run() -> None:
        async with create_async_engine(url, poolclass=NullPool).connect() as connection:
            await connection.run_sync(_run, path)

    asyncio.run(run())


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg", "asyncpg"])
def test_every_driver_sends_the_text_as_it_is_and_says_where_it_failed(
    one_database: Database, tmp_path: Path, driver: str
) -> None:
    """Percent signs and colons arrive; the position in the statement comes back."""
    path = tmp_path / "001_a.sql"
    path.write_text(SCRIPT, encoding="utf-8")
    _send(one_database, driver, path)
    assert one_database.execute("SELECT t FROM a") == [("%s %% :x 5%",)]
    path.write_text("SELECT 1;\nSELECT 1,\n  nosuch;\n", encoding="utf-8")
    with pytest.raises(DBAPIError) as raised:
        _send(one_database, driver, path)
    assert raised.value.sql_place == (str(path), 3, 3)  # type: ignore[attr-defined]
    assert f"at {sql_scripts.shown((str(path), 3, 3))}" in raised.value.__notes__
