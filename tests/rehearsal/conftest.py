"""Projects whose plans are rehearsed, in scratch databases on the tests' own server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from erm_alembic import migrate
from tests.faults.deploying import Project
from tests.support.databases import Database, RunningServer, fresh_database


def rehearsing(root: Path, database: Database) -> Project:
    """A project with the profiles `dev` and `prod` of one database, and scratch databases on the same server."""
    project = Project(root, database)
    project.config(f"""
        database:
          environments:
            dev: {{url: "{database.url}"}}
            prod: {{url: "{database.url}"}}
        shadow: {{url: "{database.server.url("postgres")}"}}
    """)
    return project


@pytest.fixture
def project(one_database: Database, tmp_path: Path) -> Project:
    """A project without revisions, and a fresh database."""
    return rehearsing(tmp_path, one_database)


@pytest.fixture(scope="module")
def deployed(newest_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose first revision is applied, with rows; the tests write what is pending."""
    with fresh_database(newest_server) as database:
        project = rehearsing(tmp_path_factory.mktemp("deployed"), database)
        project.revision(
            "a1",
            """
            op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))
            op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True), sa.Column("user_id", sa.Integer))
            """,
            'op.drop_table("orders"); op.drop_table("users")',
        )
        migrate.apply("prod", config=project.root / "erm.yaml", rehearse=False)
        database.execute("INSERT INTO users SELECT i, 'somebody' FROM generate_series(1, 1000) i")
        database.execute("ANALYZE users")
        yield project
