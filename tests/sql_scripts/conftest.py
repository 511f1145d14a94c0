"""A project whose revisions are SQL scripts, on a fresh database for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sql_scripts.building import SqlProject
from tests.sql_scripts.plain import plain_packages
from tests.support.databases import Database


@pytest.fixture
def project(one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlProject:
    """An Alembic project without revisions on a fresh database; the working directory of the test."""
    project = SqlProject(tmp_path / "project", one_database)
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    return project


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What plain Alembic needs, in a folder without erm."""
    return plain_packages(tmp_path_factory.mktemp("plain") / "packages")
