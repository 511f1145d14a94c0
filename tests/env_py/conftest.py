"""A project that is deployed by plain alembic and by erm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.env_py.alike import Twice, twice
from tests.support.databases import Database, RunningServer, fresh_database


@pytest.fixture
def deployed_twice(one_database: Database, newest_server: RunningServer, tmp_path: Path) -> Iterator[Twice]:
    """A project without revisions, and two empty databases."""
    with fresh_database(newest_server) as plain:
        yield twice(tmp_path, one_database, plain)
