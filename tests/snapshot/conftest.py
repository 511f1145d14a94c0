"""A database with the rich schema, one a server, which tests leave as they found it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.snapshot.schema import fill
from tests.support.databases import Database, RunningServer, fresh_database


@pytest.fixture(scope="module")
def rich_database(postgres_server: RunningServer) -> Iterator[Database]:
    """A database with the rich schema on a server of every major."""
    with fresh_database(postgres_server) as database:
        with closing(database.connect()) as connection, connection.cursor() as cursor:
            fill(cursor)
        yield database
