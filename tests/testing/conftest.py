"""A server for the tests of applications that run here, which runs already: a private one would be made for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.databases import Database, RunningServer

TEMPLATES = "SELECT datname FROM pg_database WHERE datname LIKE 'erm_shadow_template_%'"


@pytest.fixture(scope="module")
def named_server(newest_server: RunningServer) -> Iterator[Database]:
    """The database that `--erm-url` names; what is kept beside it goes with the module."""
    server = Database("postgres", newest_server)
    before = set(server.execute(TEMPLATES))
    yield server
    for (name,) in set(server.execute(TEMPLATES)) - before:
        server.execute(f'DROP DATABASE "{name}"')
