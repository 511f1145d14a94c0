"""A project of its own on a fresh database for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.deploying import Project
from tests.support.databases import Database

WITH_VALUES = """
op.execute("INSERT INTO first (id, email) VALUES (4711, 'erika@example.org')")
op.get_bind().execute(sa.text("UPDATE first SET email = :email"), {"email": "max@example.org"})
"""


@pytest.fixture
def project(one_database: Database, tmp_path: Path) -> Project:
    """Two revisions: one that makes a table, one that writes personal data into it."""
    project = Project(tmp_path, one_database)
    columns = 'sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.Text)'
    project.revision("a1", f'op.create_table("first", {columns})', 'op.drop_table("first")')
    project.revision("b2", WITH_VALUES, 'op.execute("DELETE FROM first")', down="a1")
    return project


@pytest.fixture
def failing(project: Project) -> Project:
    """The same, and a third revision whose error quotes a row."""
    project.revision("c3", "op.execute(\"INSERT INTO first VALUES (4711, 'doppelt@example.org')\")", down="b2")
    return project
