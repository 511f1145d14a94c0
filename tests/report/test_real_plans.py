"""What a real plan carries for its report, and the files of a real run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from erm_alembic import migrate
from erm_alembic.render.html.page import render_html
from tests.faults.deploying import Project
from tests.rehearsal.conftest import rehearsing
from tests.support.cli import run_erm
from tests.support.databases import Database

FIRST = 'op.execute("CREATE TABLE orders (id int PRIMARY KEY, note text)")', 'op.execute("DROP TABLE orders")'
SECOND = (
    'op.execute("ALTER TABLE orders ALTER COLUMN id TYPE bigint")',
    'op.execute("ALTER TABLE orders ALTER COLUMN id TYPE int")',
)


@pytest.fixture
def project(one_database: Database, tmp_path: Path) -> Project:
    """A table with rows, and a revision on its way that writes it anew."""
    project = rehearsing(tmp_path, one_database)
    project.revision("a1", *FIRST)
    migrate.apply("prod", config=project.root / "erm.yaml", rehearse=False)
    one_database.execute("INSERT INTO orders SELECT i, 'a note' FROM generate_series(1, 5000) i", "ANALYZE orders")
    project.revision("b2", *SECOND, down="a1")
    return project


def test_a_plan_that_was_not_rehearsed_knows_the_sizes_of_what_it_names(project: Project) -> None:
    """Rows and size come from the catalog; what was not asked is not known."""
    (table,) = migrate.plan("prod", config=project.root / "erm.yaml", rehearse=False).tables
    assert (table.table, table.rows, table.index_bytes) == ("public.orders", 5000, None)


def test_a_run_is_written_to_files(project: Project) -> None:
    """As a command: the page and the JSON say where the database stands afterwards; so does the plan that follows."""
    config = project.root / "erm.yaml"
    done = run_erm(
        *("migrate", "--env", "prod", "--no-rehearse", "--report", "r.html", "--report", "r.json"), cwd=project.root
    )
    assert done.returncode == 0, done.stderr
    page = (project.root / "r.html").read_text("utf-8")
    assert '<h2 id="verdict">Done</h2>' in page
    assert "2 revisions, 2 of them applied." in page
    assert json.loads((project.root / "r.json").read_text())["outcome"]["result"] == "done"
    for _ in range(2):  # for the second one, no revision file is read
        page = render_html(migrate.plan("prod", config=config, rehearse=False))
        assert '<h2 id="verdict">Nothing to apply</h2>' in page
        assert "2 revisions, 2 of them applied." in page
