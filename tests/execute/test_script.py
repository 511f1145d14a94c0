"""`--sql`: a script that psql runs, and only where the plan was made."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.faults.deploying import Project, tables
from tests.support.databases import Database

Psql = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def psql(pg_bin: PostgresBinaries, one_database: Database, tmp_path: Path) -> Psql:
    """Run a script on the database as an administrator would."""
    program = pg_bin.psql
    if program is None:
        pytest.skip("these PostgreSQL programs come without psql")

    def run(script: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "script.sql"
        path.write_text(script)
        command = [str(program), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(path), one_database.url]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_the_script_does_what_apply_does(project: Project, one_database: Database, psql: Psql) -> None:
    """On an empty database it makes Alembic's version table too; run again, it stops at once."""
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    script = project.apply("--mode", "plan", "--sql").stdout
    done = psql(script)
    assert done.returncode == 0, done.stderr
    assert tables(one_database) == {"first", "second", "alembic_version"}
    assert one_database.execute("SELECT version_num FROM alembic_version") == [("b2",)]
    assert psql(script).returncode != 0
    assert project.apply("--mode", "plan").stdout.count("Nothing to apply") == 1


def test_a_script_for_another_state_changes_nothing(project: Project, one_database: Database, psql: Psql) -> None:
    """It begins with the revision that the plan was made from."""
    project.table("a1", "first")
    assert project.apply().returncode == 0
    project.table("b2", "second", down="a1")
    script = project.apply("--mode", "plan", "--sql").stdout
    one_database.execute("UPDATE alembic_version SET version_num = 'zz'")
    done = psql(script)
    assert done.returncode != 0
    assert "this script starts at a1; the database does not" in done.stderr
    assert tables(one_database) == {"first", "alembic_version"}
