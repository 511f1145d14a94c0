"""Projects whose shadow is on the server that all tests share, so that no test makes one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.deploying import Project
from tests.support.databases import Database, RunningServer, fresh_database


@pytest.fixture
def project(tmp_path: Path, one_database: Database) -> Iterator[Project]:
    """An Alembic project with a target; its shadow is on the same server, beside it."""
    with fresh_database(_server(one_database)) as maintenance:
        yield Project(tmp_path, one_database, env={"ERM_SHADOW_URL": maintenance.url})


@pytest.fixture
def project_of_major(tmp_path: Path, database: Database) -> Iterator[Project]:
    """The same on a server of every major."""
    with fresh_database(_server(database)) as maintenance:
        yield Project(tmp_path, database, env={"ERM_SHADOW_URL": maintenance.url})


def _server(database: Database) -> RunningServer:
    assert isinstance(database.server, RunningServer)
    return database.server
