"""A project of its own on a fresh database for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.deploying import Project
from tests.resume.stopping import Stopping
from tests.support.databases import Database


@pytest.fixture
def project(one_database: Database, tmp_path: Path) -> Project:
    """An Alembic project without revisions, deployed to a fresh database."""
    return Project(tmp_path, one_database)


@pytest.fixture
def stopping(project: Project, one_database: Database, monkeypatch: pytest.MonkeyPatch) -> Stopping:
    """The same project, applied in this process."""
    return Stopping(project, one_database, monkeypatch)
