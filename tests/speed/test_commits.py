"""Only the last commit of a run waits for the disk, unless somebody wants it otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.deploying import ENV_PY, Project
from tests.support.databases import Database

SEES = "op.execute(\"INSERT INTO seen (waits_for) SELECT current_setting('synchronous_commit')\")"


@pytest.fixture
def project(one_database: Database, tmp_path: Path) -> Project:
    """Three revisions, each of which notes what its commit waits for."""
    project = Project(tmp_path, one_database)
    one_database.execute("CREATE TABLE seen (number serial, waits_for text)")
    for revision, down in (("a1", None), ("b2", "a1"), ("c3", "b2")):
        project.revision(revision, SEES, down=down)
    return project


def seen(database: Database) -> list[str]:
    return [waits_for for (waits_for,) in database.execute("SELECT waits_for FROM seen ORDER BY number")]


def test_the_last_commit_of_a_run_waits_for_all(project: Project, one_database: Database) -> None:
    """The commits before the last revision's return early; the last one brings them along."""
    assert project.apply().returncode == 0
    assert seen(one_database) == ["off", "off", "on"]


def test_one_revision_alone_waits(project: Project, one_database: Database) -> None:
    """A run of one revision commits as everybody does."""
    assert project.apply("--to", "a1").returncode == 0
    assert seen(one_database) == ["on"]


def test_a_last_revision_that_is_tried_again_waits(project: Project, one_database: Database) -> None:
    """What the last commit waits for outlives a try of its revision that was rolled back."""
    project.config("execution: {retry_delay: 10ms}")
    fails = "DO $$ BEGIN IF nextval('tries') = 1 THEN RAISE lock_not_available; END IF; END $$"
    one_database.execute("CREATE SEQUENCE tries")
    project.revision("c3", f'{SEES}\nop.execute("{fails}")', down="b2")
    done = project.apply()
    assert done.returncode == 0, done.stderr
    assert one_database.execute("SELECT last_value FROM tries") == [(2,)]
    assert seen(one_database) == ["off", "off", "on"]


def test_it_can_be_configured(project: Project, one_database: Database) -> None:
    """With `execution.synchronous_commit` each commit waits."""
    project.config("execution: {synchronous_commit: true}")
    assert project.apply().returncode == 0
    assert seen(one_database) == ["on", "on", "on"]


def test_what_the_database_asks_for_holds(project: Project, one_database: Database) -> None:
    """A database that was told what its commits wait for keeps that."""
    one_database.execute(f'ALTER DATABASE "{one_database.name}" SET synchronous_commit = local')
    assert project.apply().returncode == 0
    assert seen(one_database) == ["local"] * 3


def test_what_env_py_asks_for_holds(project: Project, one_database: Database) -> None:
    """A setting of env.py's own is left as it is."""
    project.env_py(
        ENV_PY.replace(
            "    context.configure",
            '    connection.execute(text("SET synchronous_commit = local"))\n    context.configure',
            1,
        )
    )
    assert project.apply().returncode == 0
    assert seen(one_database) == ["local"] * 3


@pytest.mark.parametrize("event", ["before_revision", "after_revision"])
def test_a_hook_of_each_revision_finds_it_on_disk(project: Project, one_database: Database, event: str) -> None:
    """A command that may act on what the last revision did runs after a commit that has waited."""
    project.config(f"hooks: {{{event}: ['true']}}")
    assert project.apply().returncode == 0
    assert seen(one_database) == ["on", "on", "on"]


def test_the_ledger_is_written_as_the_login_role(project: Project, one_database: Database) -> None:
    """A revision that acts as a role whose name needs quotes goes on as it; the ledger is written by its owner."""
    role = f"Ann's {one_database.name}"
    quoted = f'"{role}"'
    one_database.execute(f"CREATE ROLE {quoted}")
    one_database.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    one_database.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {quoted}")
    one_database.execute(f"GRANT ALL ON alembic_version, seen TO {quoted}; GRANT ALL ON seen_number_seq TO {quoted}")
    project.revision("a1", f"op.execute('''SET ROLE {quoted}''')\n{SEES}")
    project.revision("b2", "op.execute('CREATE TABLE made ()')", down="a1")
    try:
        done = project.apply()
        assert done.returncode == 0, done.stderr
        assert one_database.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'made'") == [(role,)]
        assert one_database.execute("SELECT count(*) FROM erm.revision WHERE outcome = 'done'") == [(3,)]
    finally:
        one_database.execute(f"DROP OWNED BY {quoted}; DROP ROLE {quoted}")
