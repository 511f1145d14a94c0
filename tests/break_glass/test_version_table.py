"""A version table that somebody touched by hand: said plainly, before anything is run on it."""

from __future__ import annotations

import json

from tests.execute.test_rollback import deployed
from tests.faults.deploying import Project, tables, told
from tests.support.databases import Database


def drift(project: Project, *arguments: str) -> tuple[int, list[tuple[str, str]]]:
    """Exit code, kind and object of the drift in a plan."""
    done = project.apply("--mode", "plan", "--format", "json", *arguments)
    return done.returncode, [(each["kind"], each["object"]) for each in json.loads(done.stdout)["drift"]]


def test_an_emptied_version_table_is_noticed(project: Project, one_database: Database) -> None:
    """Emptied or dropped: plan, apply and rollback object, with the revision that should be recorded."""
    deployed(project)
    for damage in ("DELETE FROM alembic_version", "DROP TABLE alembic_version"):
        one_database.execute(damage)
        assert drift(project) == (1, [("lost-version", "c3")])
        for mode in ([], ["--mode", "rollback"]):
            refused = project.apply(*mode)
            assert (refused.returncode, "error lost-version" in refused.stdout) == (1, True), refused.stdout
            assert "`alembic stamp c3`" in refused.stdout
    assert len(project.runs()) == 1
    # Overridden, apply begins anew; here it fails on the first table, as it would have without the check.
    done = project.apply("--override", "lost-version", "--reason", "tested")
    assert (done.returncode, 'relation "first" already exists' in done.stdout) == (1, True), done.stdout
    # Put back, nothing objects.
    one_database.execute("DROP TABLE IF EXISTS alembic_version")
    one_database.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    one_database.execute("INSERT INTO alembic_version VALUES ('c3')")
    assert drift(project) == (0, [])


def test_two_branches_are_named_together(project: Project, one_database: Database) -> None:
    """What should be recorded are the tips of what was applied; what was rolled back is none of it."""
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    project.table("c3", "third", down="a1")
    project.table("d4", "fourth", down="c3")
    assert project.apply().returncode == 0
    assert project.apply("--mode", "rollback", "--to", "b2").returncode in (0, 2)
    recorded = [row[0] for row in one_database.execute("SELECT version_num FROM alembic_version ORDER BY 1")]
    one_database.execute("DELETE FROM alembic_version")
    code, ((kind, tips),) = drift(project)
    assert (code, kind, sorted(tips.split(", "))) == (1, "lost-version", recorded)


def test_what_was_taken_back_is_not_lost(project: Project, one_database: Database) -> None:
    """After a rollback to base, and where plain Alembic left no table behind, apply may simply begin again."""
    deployed(project)
    assert project.apply("--mode", "rollback", "--to", "base").returncode == 0
    one_database.execute("CREATE TABLE of_somebody_else ()")
    assert drift(project) == (0, [])
    assert project.apply().returncode == 0
    one_database.execute("DROP TABLE first, second, third, of_somebody_else; DELETE FROM alembic_version")
    assert drift(project) == (0, [])
    assert project.apply().returncode == 0
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}


def test_a_row_too_many_is_said_plainly(project: Project, one_database: Database) -> None:
    """A revision that is recorded beside one that builds on it: which it is, and how to take it out."""
    deployed(project)
    one_database.execute("INSERT INTO alembic_version VALUES ('a1')")
    for command in (["migrate", "--mode", "plan"], ["migrate"], ["status"]):
        assert told(project.erm(*command)) == (
            1,
            [
                "error:  The database records revision a1 beside c3, which builds on it: Alembic's version table has "
                "rows too many.",
                "effect: Nothing was planned or run.",
                "cure:   Where c3 is applied, delete the others: `alembic stamp --purge c3`. Where it is not, delete "
                "its row instead.",
            ],
        )


TENANTS = """
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
tenant = context.get_x_argument(as_dictionary=True)["tenant"]
with engine.connect() as connection:
    context.configure(connection=connection, version_table_schema=tenant)
    with context.begin_transaction():
        context.run_migrations()
"""


def test_a_new_tenant_has_lost_nothing(project: Project, one_database: Database) -> None:
    """A version table of each tenant's own: a new tenant has none yet, an emptied one is noticed all the same."""
    one_database.execute("CREATE SCHEMA one")
    one_database.execute("CREATE SCHEMA two")
    project.env_py(TENANTS)
    project.revision("a1", "op.execute('CREATE TABLE IF NOT EXISTS shared ()')")
    assert project.apply("-x", "tenant=one").returncode == 0
    assert drift(project, "-x", "tenant=two") == (0, [])
    one_database.execute("DELETE FROM one.alembic_version")
    assert drift(project, "-x", "tenant=one") == (1, [("lost-version", "a1")])
