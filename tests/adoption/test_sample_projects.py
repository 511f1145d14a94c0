"""Every sample project runs under erm unchanged, and plain alembic goes on working on the same database."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config

from erm_alembic import migrate
from erm_alembic.errors import EnvironmentRefused
from tests.adoption.sample import Sample
from tests.adoption.untouched import nothing_written
from tests.support.databases import Database

Prepare = Callable[[str, Database], Sample]

EVERY_MAJOR = ("generic", "asynchronous", "tenant_role")
ONE_MAJOR = (
    "version_schema",
    "own_lock",
    "own_url",
    "pyproject",
    "configured",
    "own_schema",
    "psycopg3",
)
NO_CHANGES = "No new upgrade operations detected."


def adopt(project: Sample) -> None:
    """Plan, apply, roll back and apply with erm; before, between and after with plain alembic."""
    with nothing_written(project.database):
        planned = migrate.plan()
    assert [step.revision for step in planned.steps] == ["a1", "a2", "a3"]
    assert {step.rendered for step in planned.steps} == {"full"}

    project.alembic("upgrade +1")
    with nothing_written(project.database):
        assert [step.revision for step in migrate.plan().steps] == ["a2", "a3"]
    assert migrate.apply().outcome.current == ("a3",)

    current, checked, _, downgraded = project.alembic("current", "check", "downgrade -1", "current")
    assert current == "a3 (head)"
    assert checked == NO_CHANGES
    assert downgraded == "a2"

    assert [step.revision for step in migrate.apply().plan.steps] == ["a3"]
    with nothing_written(project.database):
        assert [step.revision for step in migrate.plan_rollback().steps] == ["a3"]
    assert migrate.rollback().outcome.current == ("a2",)
    assert migrate.rollback(to="base").outcome.current == ()
    assert migrate.apply().outcome.result == "done"

    current, checked, *_, end = project.alembic("current", "check", "downgrade base", "upgrade heads", "current")
    assert (current, checked, end) == ("a3 (head)", NO_CHANGES, "a3 (head)")
    assert migrate.plan().up_to_date


@pytest.mark.parametrize("name", EVERY_MAJOR)
def test_a_usual_project_runs_unchanged_on_every_major(name: str, sample: Prepare, database: Database) -> None:
    """A plain project, an async one and one of tenants run on every major, with plain alembic before and after."""
    adopt(sample(name, database))


@pytest.mark.parametrize("name", ONE_MAJOR)
def test_a_project_with_its_own_ways_runs_unchanged(name: str, sample: Prepare, one_database: Database) -> None:
    """Whatever an env.py sets up, the project runs under erm, with plain alembic before, between and after."""
    adopt(sample(name, one_database))


def test_branches_merges_and_dependencies_run_as_alembic_runs_them(sample: Prepare, one_database: Database) -> None:
    """Two labelled branches in two folders, with a merge and dependencies between them, go up and down."""
    project = sample("branches", one_database)
    with nothing_written(one_database):
        planned = migrate.plan()
    order = [step.revision for step in planned.steps]
    assert sorted(order) == ["b1", "b2", "c1", "c2", "c3a", "c3b", "c4"]
    for earlier, later in (("c2", "b1"), ("c3a", "c4"), ("c3b", "c4"), ("c4", "b2"), ("b1", "b2")):
        assert order.index(earlier) < order.index(later)

    assert migrate.apply(to="core@head").outcome.current == ("c4",)
    assert project.current() == {"c4"}
    project.alembic("upgrade billing@+1")
    assert migrate.apply().outcome.result == "done"
    assert project.alembic("check") == [NO_CHANGES]
    at_heads = project.current()
    assert "b2" in at_heads

    assert [step.revision for step in migrate.rollback().plan.steps] == ["b2"]
    assert migrate.rollback(to="base").outcome.current == ()
    assert migrate.apply().outcome.result == "done"
    assert project.current() == at_heads
    project.alembic("downgrade base", "upgrade heads")
    assert migrate.plan().up_to_date


def test_two_databases_in_one_run_are_refused_by_name(sample: Prepare, one_database: Database) -> None:
    """An env.py that migrates several databases is refused, and neither plan nor apply writes a revision."""
    sample("two_databases", one_database)
    with nothing_written(one_database), pytest.raises(EnvironmentRefused, match="several databases"):
        migrate.plan()
    with pytest.raises(EnvironmentRefused, match="several databases"):
        migrate.apply()
    assert one_database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def test_tables_land_in_the_schema_and_belong_to_the_role_that_env_py_set(
    sample: Prepare, one_database: Database
) -> None:
    """`SET search_path` and `SET ROLE` on env.py's own connection hold for the revisions too."""
    sample("tenant_role", one_database)
    assert migrate.apply().outcome.result == "done"
    assert one_database.execute(
        "SELECT schemaname, tablename, tableowner FROM pg_tables WHERE tablename IN ('author', 'alembic_version')"
        " ORDER BY tablename"
    ) == [("tenant", "alembic_version", "tenant_owner"), ("tenant", "author", "tenant_owner")]


def test_the_lock_of_env_py_is_held_while_revisions_run_and_free_afterwards(
    sample: Prepare, one_database: Database
) -> None:
    """An env.py's own advisory lock stays on its own connection, and its lock_timeout reaches the revisions."""
    project = sample("own_lock", one_database)
    versions = project.path.parent / "generic" / "migrations" / "versions"
    (versions / "a4_look.py").write_text(
        "from alembic import op\nrevision, down_revision = 'a4', 'a3'\n"
        "def upgrade():\n"
        "    op.execute(\"CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS timeout, count(*) AS locks\"\n"
        "               ' FROM pg_locks WHERE locktype = \\'advisory\\' AND objid = 4711')\n"
        "def downgrade():\n    op.execute('DROP TABLE seen')\n"
    )
    assert migrate.apply().outcome.result == "done"
    assert one_database.execute("SELECT timeout, locks FROM seen") == [("7s", 1)]
    assert one_database.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_autogenerate_never_sees_the_ledger(sample: Prepare, one_database: Database) -> None:
    """With include_schemas=True, plain alembic's check reports no table of the schema `erm`."""
    project = sample("configured", one_database)
    migrate.apply()
    assert one_database.execute("SELECT count(*) > 1 FROM pg_tables WHERE schemaname = 'erm'") == [(True,)]
    assert project.alembic("check") == [NO_CHANGES]


def test_a_plan_neither_waits_for_the_lock_of_env_py_nor_takes_it(sample: Prepare, one_database: Database) -> None:
    """While someone holds env.py's own advisory lock, a plan is still answered."""
    sample("own_lock", one_database)
    holder = one_database.connect()
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(4711)")
            assert [step.revision for step in migrate.plan().steps] == ["a1", "a2", "a3"]
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()")
            assert cursor.fetchall() == [(0,)]
    finally:
        holder.close()


def test_a_plan_holds_back_what_env_py_writes(sample: Prepare, one_database: Database) -> None:
    """An env.py that creates its schema does so when applying, and not when planning."""
    sample("own_schema", one_database)
    with nothing_written(one_database):
        migrate.plan()
    assert one_database.execute("SELECT to_regnamespace('library')") == [(None,)]
    migrate.apply()
    assert one_database.execute("SELECT to_regnamespace('library') IS NOT NULL") == [(True,)]


@pytest.mark.parametrize("template", ["generic", "async", "pyproject", "pyproject_async"])
def test_what_alembic_init_writes_runs_as_it_is(
    template: str, sample: Prepare, one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project fresh from `alembic init`, whatever the template, is planned, applied and rolled back."""
    versions = sample("generic", one_database).path / "migrations" / "versions"
    project = versions.parents[2] / f"fresh_{template}"
    project.mkdir()
    monkeypatch.chdir(project)
    config = Config("alembic.ini", toml_file="pyproject.toml", stdout=io.StringIO())
    command.init(config, "alembic", template=template)
    for revision in versions.glob("*.py"):
        shutil.copy(revision, project / "alembic" / "versions")
    with nothing_written(one_database):
        assert [step.rendered for step in migrate.plan().steps] == ["full"] * 3
    assert migrate.apply().outcome.current == ("a3",)
    assert migrate.rollback(to="base").outcome.result == "done"


@pytest.mark.parametrize("name", ["asynchronous", "psycopg3"])
def test_a_plan_answers_for_the_lock_of_env_py_on_any_driver(
    name: str, sample: Prepare, one_database: Database
) -> None:
    """An env.py that gives up when it does not get its lock is told in a plan that it has it, whatever its driver."""
    env_py = sample(name, one_database).path / "migrations" / "env.py"
    configure = "context.configure(connection=connection"
    asked = (
        "from sqlalchemy import text\n"
        "    lock = text('SELECT pg_try_advisory_lock(:key)')\n"
        "    assert connection.execute(lock, {'key': 4711}).scalar()\n    "
    )
    env_py.write_text(env_py.read_text().replace(configure, asked + configure))
    holder = one_database.connect()
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(4711)")
            assert len(migrate.plan().steps) == 3
    finally:
        holder.close()
