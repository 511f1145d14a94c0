"""What tells databases apart: not their addresses, and not their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg2 import sql

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.identity import Identity, read_identity
from erm_alembic.postgres.snapshot import catalog_fingerprint
from tests.approval.conftest import document
from tests.faults.deploying import Project, tables
from tests.support.databases import Database
from tests.support.standbys import Replicated, has_basebackup, replicated

TENANTS = """
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

tenant = context.get_x_argument(as_dictionary=True)["tenant"]
engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
with engine.connect() as connection:
    connection.exec_driver_sql(f'SET search_path = "{tenant}"')
    connection.commit()
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def identity(database: Database) -> Identity:
    """Which database it is, as any role may ask."""
    connection = database.connect()
    connection.autocommit = False
    with connection.cursor() as cursor:
        found = read_identity(cursor)
    connection.close()
    return found


def test_every_role_may_ask_unless_it_was_forbidden(database: Database) -> None:
    """An ordinary role reads the cluster's identifier; where that was taken from it, there is none, and no error."""
    connection = database.connect()
    connection.autocommit = False
    with connection.cursor() as cursor:
        whole = read_identity(cursor)
        assert whole.system is not None and whole.system.isdigit()
        assert whole.name == database.name
        cursor.execute("SET LOCAL ROLE pg_monitor")
        assert read_identity(cursor) == whole
        cursor.execute("RESET ROLE; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        cursor.execute("SET LOCAL ROLE pg_monitor")
        assert read_identity(cursor) == Identity(None, whole.oid, whole.name)
        cursor.execute("SELECT 1")
    connection.close()


@pytest.fixture
def pair(pg_bin: PostgresBinaries) -> Iterator[Replicated]:
    """A primary and its standby."""
    if not has_basebackup(pg_bin):
        pytest.skip("this PostgreSQL has no pg_basebackup to make a standby with")
    with replicated(pg_bin) as pair:
        yield pair


def test_a_failover_does_not_end_an_approval(pair: Replicated, tmp_path: Path) -> None:
    """A plan that was approved on the primary runs on its standby once that was promoted, at another address."""
    primary, standby = Database("postgres", pair.primary), Database("postgres", pair.standby)
    project = Project(tmp_path, primary, env={"ERM_NO_SHADOW": "1"})
    project.table("a1", "first")
    kept = project.apply("--mode", "plan", "--out", "plan.json")
    assert kept.returncode == 0, kept.stderr
    pair.catch_up()
    pair.switch_over()
    assert identity(standby).system == document(tmp_path / "plan.json")["approval"]["target"]["system_identifier"]
    project.url, project.database = standby.url, standby
    done = project.apply("--plan", "plan.json")
    assert done.returncode == 0, done.stderr
    assert tables(standby) == {"first", "alembic_version"}


def test_two_tenants_are_two_targets(project: Project, one_database: Database) -> None:
    """A plan for one schema of a database is not run on another one, although the same revisions are pending there."""
    project.env_py(TENANTS)
    one, other = "one", "o'th\"er"
    for name in (one, other):
        connection = one_database.connect()
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        connection.close()
    assert project.apply("--mode", "plan", "-x", f"tenant={one}", "--out", "plan.json").returncode == 0
    refused = project.apply("--plan", "plan.json", "-x", 'tenant=o\'th""er')
    assert refused.returncode == 1
    assert "        The version table is another one." in refused.stderr.splitlines(), refused.stderr
    done = project.apply("--plan", "plan.json", "-x", f"tenant={one}")
    assert done.returncode == 0, done.stderr


def test_no_password_of_the_address_is_kept(project: Project, secret: str) -> None:
    """The file names the database by its address, and has no password."""
    assert project.url is not None
    project.url = project.url.replace("postgres@", f"postgres:{secret}@")
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    assert secret not in (project.root / "plan.json").read_text()


def test_a_fingerprint_that_is_prepared_is_the_same(database: Database) -> None:
    """Read again and again in one session, also after that session was emptied, the fingerprint sees each change."""
    connection = database.connect()
    with connection.cursor() as cursor:
        for statement in ("CREATE TABLE t (id int)", 'CREATE TABLE "100%s" (id int)', "DISCARD ALL"):
            cursor.execute(statement)
            left_out = ("no such schema", "per%cent"), ('public."100%s"',)
            assert catalog_fingerprint(cursor, *left_out, prepared=True) == catalog_fingerprint(cursor, *left_out)
            assert catalog_fingerprint(cursor, prepared=True) == catalog_fingerprint(cursor)
    connection.close()
