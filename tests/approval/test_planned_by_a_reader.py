"""A plan that a role has made which only reads is run by the role that deploys, and by no other."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg2 import sql

from tests.approval.conftest import document
from tests.faults.deploying import Project, tables
from tests.support.databases import Database


@dataclass(frozen=True)
class Roles:
    """Who logs in. The names need quotes, as a team's own may.

    Args:
        reader: may read everything, and write nothing.
        deployer: a member of `owner`, who may create.
        owner: who is to own what migrations make; nobody logs in as it.
    """

    reader: str
    deployer: str
    owner: str


@pytest.fixture
def roles(one_database: Database) -> Iterator[Roles]:
    """Roles of one test."""
    with roles_on(one_database) as found:
        yield found


@contextmanager
def roles_on(database: Database) -> Iterator[Roles]:
    """Roles on the server of a database, gone at the end."""
    mark = uuid.uuid4().hex[:8]
    found = Roles(f"re'ad er {mark}", f'De"ploy {mark}', f"ow-ner {mark}")
    connection = database.connect()
    names = {key: sql.Identifier(name) for key, name in ({"database": database.name} | vars(found)).items()}
    with connection.cursor() as cursor:
        for statement in (
            "CREATE ROLE {reader} LOGIN",
            "CREATE ROLE {owner}",
            "CREATE ROLE {deployer} LOGIN IN ROLE {owner}",
            "GRANT CREATE ON DATABASE {database} TO {owner}",
            "GRANT CREATE, USAGE ON SCHEMA public TO {owner}",
        ):
            cursor.execute(sql.SQL(statement).format(**names))
        if connection.server_version >= 140000:
            cursor.execute(sql.SQL("GRANT pg_read_all_data TO {reader}").format(**names))
        yield found
        for name in (found.reader, found.deployer, found.owner):
            cursor.execute(
                sql.SQL("REASSIGN OWNED BY {0} TO CURRENT_USER; DROP OWNED BY {0}; DROP ROLE {0}").format(
                    sql.Identifier(name)
                )
            )
    connection.close()


@contextmanager
def login(project: Project, role: str) -> Iterator[None]:
    """Commands log in as another role for as long as the block lasts."""
    project.env["PGUSER"], url = role, project.url
    assert url is not None
    project.url = url.replace("postgres@", "")
    yield
    project.url = url
    del project.env["PGUSER"]


def owner_of(database: Database, table: str) -> str:
    """Who owns a table."""
    ((owner,),) = database.execute("SELECT tableowner FROM pg_tables WHERE tablename = %s", table)
    assert isinstance(owner, str)
    return owner


def act_as(project: Project, role: str) -> None:
    """Let the project name the role of its migrations."""
    project.config(f"migrations: {{role: {role!r}}}\n")


def test_a_reader_plans_for_the_role_of_migrations(database: Database, tmp_path: Path) -> None:
    """Who logs in does not count where `migrations.role` says who acts: the same digest, and run by another login."""
    project = Project(tmp_path, database, env={"ERM_NO_SHADOW": "1"})
    project.table("a1", "first")
    with roles_on(database) as roles:
        act_as(project, roles.owner)
        with login(project, roles.reader):
            kept = project.apply("--mode", "plan", "--out", "plan.json")
        assert kept.returncode == 0, kept.stderr
        assert f"It is to be run as {roles.owner}: {roles.reader}, who planned, may not deploy here." in kept.stderr
        with login(project, roles.deployer):
            assert project.apply("--mode", "plan", "--out", "again.json").returncode == 0
            done = project.apply("--plan", "plan.json")
        assert done.returncode == 0, done.stderr
        assert document(tmp_path / "again.json")["digest"] == document(tmp_path / "plan.json")["digest"]
        assert owner_of(database, "first") == roles.owner


def test_a_reader_may_run_nothing(project: Project, one_database: Database, roles: Roles) -> None:
    """The plan that a reader has made is not run by it, with and without a role of migrations."""
    for given in (roles.owner, None):
        (project.root / "erm.yaml").unlink(missing_ok=True)
        if given:
            act_as(project, given)
        with login(project, roles.reader):
            assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
            refused = project.apply("--plan", "plan.json")
        assert refused.returncode == 1
        assert "Another role sends the statements" in refused.stderr
        assert f"found:    {roles.reader}" in refused.stderr
        assert (f"Log in as a member of {roles.owner}, which may act as it." in refused.stderr) is (given is not None)
    assert tables(one_database) == set()


def test_without_a_role_of_migrations_it_is_the_owner_of_the_version_table(
    project: Project, one_database: Database, roles: Roles
) -> None:
    """The login that has deployed so far runs what a reader has planned; another one would own other tables."""
    with login(project, roles.deployer):
        assert project.apply("--to", "a1").returncode == 0
    with login(project, roles.reader):
        assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    assert document(project.root / "plan.json")["approval"]["role"] == roles.deployer
    refused = project.apply("--plan", "plan.json")
    assert (refused.returncode, tables(one_database)) == (1, {"first", "alembic_version"})
    assert f"approved: {roles.deployer}" in refused.stderr
    assert "With `migrations.role` in erm.yaml, whoever logs in acts as the same role." in refused.stderr
    with login(project, roles.deployer):
        done = project.apply("--plan", "plan.json")
    assert (done.returncode, owner_of(one_database, "second")) == (0, roles.deployer), done.stderr


def test_before_the_first_revision_it_is_the_owner_of_the_database(
    project: Project, one_database: Database, roles: Roles
) -> None:
    """A reader plans the first deployment for who owns the database, and that is who may run it."""
    with login(project, roles.reader):
        assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    done = project.apply("--plan", "plan.json")
    assert (done.returncode, tables(one_database)) == (0, {"first", "second", "alembic_version"}), done.stderr


def test_where_the_cluster_may_not_be_told_the_login_is_no_part_of_the_address(
    project: Project, one_database: Database, roles: Roles
) -> None:
    """Database and address count then, and not who logs in there."""
    act_as(project, roles.owner)
    connection = one_database.connect()
    with connection.cursor() as cursor:
        cursor.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    connection.close()
    with login(project, roles.reader):
        assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    assert document(project.root / "plan.json")["approval"]["target"]["system_identifier"] is None
    with login(project, roles.deployer):
        done = project.apply("--plan", "plan.json")
    assert done.returncode == 0, done.stderr
