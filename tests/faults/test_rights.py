"""Roles that may not do what a deployment needs: nothing is run, and the missing grant is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.deploying import Project, tables, told
from tests.support.databases import Database


@pytest.fixture
def limited(project: Project, one_database: Database) -> Iterator[str]:
    """A login role without any rights, which deploys the project."""
    role = f'{one_database.name} "limited"'
    quoted = '"' + role.replace('"', '""') + '"'
    one_database.execute(f"CREATE ROLE {quoted} LOGIN")
    one_database.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")  # as servers from 15 on have it
    assert project.url is not None
    project.url = project.url.replace("postgres@", role.replace(" ", "%20").replace('"', "%22") + "@")
    project.table("a1", "first")
    try:
        yield quoted
    finally:
        one_database.execute(f"DROP OWNED BY {quoted} CASCADE")
        one_database.execute(f"DROP ROLE {quoted}")


def test_no_right_to_create_the_ledger(project: Project, one_database: Database, limited: str) -> None:
    """A role that may not create the ledger's schema is told the statement that makes it; that statement works."""
    code, lines = told(project.apply())
    role = limited[1:-1].replace('""', '"')
    assert (code, lines) == (
        1,
        [
            f"error:  The role {role!r} may not create the ledger in the schema 'erm': permission denied for"
            f" database {one_database.name}.",
            "effect: Nothing was changed.",
            f"cure:   Let an administrator run: CREATE SCHEMA erm AUTHORIZATION {limited};".replace(" erm ", ' "erm" '),
        ],
    )
    assert tables(one_database) == set()
    one_database.execute(lines[2].split("run: ")[1])
    one_database.execute(f"GRANT CREATE ON SCHEMA public TO {limited}")
    assert project.apply().returncode == 0
    assert tables(one_database) == {"first", "alembic_version"}


def test_a_ledger_schema_of_somebody_else(project: Project, one_database: Database, limited: str) -> None:
    """An existing schema needs a grant rather than an owner; with that grant the ledger is created in it."""
    one_database.execute("CREATE SCHEMA erm")
    code, lines = told(project.apply())
    assert code == 1
    assert lines[2] == f'cure:   Let an administrator run: GRANT USAGE, CREATE ON SCHEMA "erm" TO {limited};'
    one_database.execute(lines[2].split("run: ")[1])
    one_database.execute(f"GRANT CREATE ON SCHEMA public TO {limited}")
    assert project.apply().returncode == 0


def test_no_right_to_read_the_ledger(project: Project, one_database: Database, limited: str) -> None:
    """A role that may not read a ledger of somebody else is told the grants, in a plan too; those grants work."""
    admin = Project(project.root, one_database)
    assert admin.apply().returncode == 0
    code, lines = told(project.apply("--mode", "plan"))
    assert (code, lines[1]) == (1, "effect: Nothing was changed.")
    assert lines[0].endswith("may not use the ledger in the schema 'erm': permission denied for schema erm.")
    for statement in lines[2].split("run: ")[1].split(" (to plan")[0].split("; "):
        one_database.execute(statement)
    one_database.execute(f"GRANT SELECT ON alembic_version TO {limited}")
    assert project.apply("--mode", "plan").returncode == 0


def test_no_right_to_create_in_public(project: Project, one_database: Database, limited: str) -> None:
    """A role that may not create tables in `public` fails with the server's words, and the ledger says so."""
    one_database.execute(f"GRANT CREATE ON DATABASE {one_database.name} TO {limited}")
    done = project.apply()
    code, lines = told(done)
    assert (code, lines[0].endswith("permission denied for schema public")) == (1, True)
    assert lines[2] == (
        "cure:   Check the role's rights: env.py, or Alembic making its version table, sent what the database refuses."
    )
    assert tables(one_database) == set()
    assert [run["outcome"] for run in project.runs()] == ["failed"]


def test_no_right_within_a_revision(project: Project, one_database: Database, limited: str) -> None:
    """A right that only one revision lacks fails that revision, with its line."""
    one_database.execute(f"GRANT CREATE ON DATABASE {one_database.name} TO {limited}")
    one_database.execute(f"GRANT CREATE ON SCHEMA public TO {limited}")
    one_database.execute("CREATE TABLE theirs (id int)")
    project.revision("b2", 'op.execute("ALTER TABLE theirs ADD COLUMN n int")', down="a1")
    done = project.apply()
    assert done.returncode == 1
    assert "migrations/versions/b2.py:12: must be owner of table theirs (SQLSTATE 42501)" in done.stdout
    assert tables(one_database) == {"first", "theirs", "alembic_version"}


def test_a_role_that_does_not_exist(project: Project, one_database: Database) -> None:
    """`migrations.role` that names no role is told before anything is run."""
    project.table("a1", "first")
    project.config('migrations: {role: "no such role"}\n')
    code, lines = told(project.apply())
    assert code == 1
    assert lines[0].endswith(': role "no such role" does not exist.')
    assert tables(one_database) == set()
