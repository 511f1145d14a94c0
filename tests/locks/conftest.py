"""A project with one table that the application uses, deployed within the test's process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.deploying import Project
from tests.locks.blocking import Deployment
from tests.support.databases import Database

QUICK = "execution: {lock_timeout: 300ms, lock_retries: 2, retry_delay: 100ms}\n"


@pytest.fixture
def project(one_database: Database, tmp_path: Path) -> Project:
    """A project whose database has a table `orders` of two rows, and which has little patience."""
    one_database.execute("CREATE TABLE orders (id int PRIMARY KEY, note text)")
    one_database.execute("INSERT INTO orders VALUES (1, 'one'), (2, 'two')")
    project = Project(tmp_path, one_database)
    project.config(QUICK)
    return project


@pytest.fixture
def deployment(project: Project, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """That project, ready to be applied."""
    return Deployment(project, monkeypatch)
