"""Servers that cannot be reached, refuse, or go away: what to do about it is said, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from tests.faults.deploying import SLEEPS, Project, mounted, sleeping, tables, told, until
from tests.faults.network import Network, network_to
from tests.support.databases import Database

NOTHING_RUN = "effect: Nothing was planned or run."
ROLE = "erm_asks_for_a_password"


@pytest.fixture
def network(one_database: Database) -> Iterator[Network]:
    """A network to the server that the test can cut."""
    with network_to(one_database.server.socket_dir) as network:
        yield network


@pytest.fixture
def guarded_role(one_database: Database, secret: str) -> Iterator[str]:
    """A role that the server asks for its password; the secret is the right one."""
    data_dir = Path(one_database.execute("SHOW data_directory")[0][0])
    hba = data_dir / "pg_hba.conf"
    before = hba.read_text()
    one_database.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{secret}'")
    hba.write_text(f"local all {ROLE} scram-sha-256\n{before}")
    one_database.execute("SELECT pg_reload_conf()")

    def asks() -> bool:
        try:
            psycopg2.connect(one_database.url.replace("postgres@", f"{ROLE}@")).close()
        except psycopg2.OperationalError as error:
            return "no password supplied" in str(error)
        return False

    until(asks)
    try:
        yield ROLE
    finally:
        hba.write_text(before)
        one_database.execute("SELECT pg_reload_conf()")
        one_database.execute(f"DROP OWNED BY {ROLE}")
        one_database.execute(f"DROP ROLE {ROLE}")


def test_a_wrong_password(project: Project, guarded_role: str, awkward_secret: str) -> None:
    """A wrong password names the role, not the password, and where passwords come from."""
    project.table("a1", "first")
    from urllib.parse import quote

    assert project.url is not None
    password = quote(awkward_secret, safe="")
    done = project.erm("migrate", ERM_DATABASE_URL=project.url.replace("postgres@", f"{guarded_role}:{password}@"))
    code, lines = told(done)
    assert code == 1
    assert f'FATAL: password authentication failed for user "{guarded_role}"' in lines[0]
    assert lines[0].startswith(f"error:  postgresql://{guarded_role}:***@")
    assert lines[1:] == [
        NOTHING_RUN,
        "cure:   Check the user and the password (ERM_DATABASE_URL, the secret, or ~/.pgpass).",
    ]


def test_no_password(project: Project, guarded_role: str) -> None:
    """A password that is missing is not a wrong one."""
    project.table("a1", "first")
    assert project.url is not None
    code, lines = told(project.erm("migrate", ERM_DATABASE_URL=project.url.replace("postgres@", f"{guarded_role}@")))
    assert (code, lines[2]) == (1, "cure:   Give a password through ${VAR}, file:, cmd: or ~/.pgpass.")


def test_the_server_is_down(project: Project, secret: str) -> None:
    """Nobody listens on the port, or the socket is not there."""
    project.table("a1", "first")
    code, lines = told(project.erm("migrate", ERM_DATABASE_URL=f"postgresql://app:{secret}@127.0.0.1:1/shop"))
    assert code == 1
    assert lines[0].startswith(
        "error:  postgresql://app:***@127.0.0.1:1/shop cannot be reached: connection to server at"
    )
    assert lines[1:] == [NOTHING_RUN, "cure:   Check that the server runs and listens at that address and port."]
    code, lines = told(project.erm("status", ERM_DATABASE_URL="postgresql:///shop?host=/nowhere"))
    assert code == 1
    assert lines[2] == "cure:   Check that the server runs and that the socket's folder is the right one."


def test_the_database_is_missing(project: Project, one_database: Database) -> None:
    """A database that does not exist is named, with the command that creates it; it is not created."""
    project.table("a1", "first")
    code, lines = told(project.erm("migrate", ERM_DATABASE_URL=one_database.server.url("not here")))
    assert code == 1
    assert lines[0].endswith('FATAL: database "not here" does not exist')
    assert lines[1:] == [
        NOTHING_RUN,
        "cure:   Create it (`createdb 'not here'`), or correct the name in the URL.",
    ]
    assert one_database.execute("SELECT FROM pg_database WHERE datname = 'not here'") == []


def test_a_role_is_missing_or_may_not_connect(project: Project, one_database: Database) -> None:
    """The cure names the role and the database, ready to be typed."""
    url = one_database.url.replace("postgres@", "no%20body@")
    _, lines = told(project.erm("status", ERM_DATABASE_URL=url))
    assert lines[2] == "cure:   Create it (`createuser 'no body'`), or correct the user in the URL."
    name = one_database.name
    one_database.execute('CREATE ROLE "no body" LOGIN')
    one_database.execute(f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC')
    try:
        _, lines = told(project.erm("status", ERM_DATABASE_URL=url))
    finally:
        one_database.execute('DROP ROLE "no body"')
    assert lines[2] == f'cure:   Let an administrator run: GRANT CONNECT ON DATABASE "{name}" TO "no body";'


def through(network: Network, database: Database) -> str:
    return f"postgresql://postgres@127.0.0.1:{network.port}/{database.name}"


def two_revisions(project: Project) -> Path:
    project.table("a1", "first")
    return project.revision("b2", f'op.execute("CREATE TABLE t (id int)")\n{SLEEPS}', 'op.drop_table("t")', down="a1")


def test_a_network_that_is_cut_and_comes_back(project: Project, one_database: Database, network: Network) -> None:
    """A cut in the middle of a revision fails that revision; the ledger is written on a fresh connection."""
    path = two_revisions(project)
    project.url = through(network, one_database)
    with project.deploying() as deployer:
        until(lambda: sleeping(one_database))
        network.cut(for_good=False)
        code, out, _ = deployer.ended()
    assert code == 1
    assert "  FAILED   b2" in out
    assert out.splitlines()[-3:] == [
        "effect: Revision b2 was undone: nothing of it stays.",
        "cure:   The connection was lost: run `erm migrate` again once the server can be reached.",
        "The database is now at a1.",
    ]
    (run,) = project.runs()
    assert run["outcome"] == "failed"
    assert [(each["revision"], each["outcome"]) for each in run["revisions"]] == [("a1", "done"), ("b2", "failed")]
    # The server goes on with the orphaned statement, and keeps the lock, until it notices.
    one_database.execute("SELECT pg_terminate_backend(%s)", sleeping(one_database)[0][0])
    path.write_text(path.read_text().replace("pg_sleep(600)", "pg_sleep(0)"))
    assert project.apply().returncode == 0
    assert tables(one_database) == {"first", "t", "alembic_version"}


def test_a_network_that_is_cut_for_good(project: Project, one_database: Database, network: Network) -> None:
    """Where even the ledger cannot be reached any more, the run still ends, and says what it could not write."""
    two_revisions(project)
    project.url = through(network, one_database)
    with project.deploying() as deployer:
        until(lambda: sleeping(one_database))
        network.cut(for_good=True)
        code, out, err = deployer.ended()
    assert code == 1
    assert "  FAILED   b2" in out
    assert "The end of run 1 could not be written to the ledger: failed." in err
    assert out.splitlines()[-3:] == [
        "effect: What became of revision b2 is not known: the database could not be asked.",
        "cure:   When the server can be reached again, `erm status` tells where it stands; "
        "then run `erm migrate` again.",
        "Where the database stands now is not known; when it was last asked, it was at a1.",
    ]
    project.url = one_database.url
    one_database.execute("SELECT pg_terminate_backend(%s)", sleeping(one_database)[0][0])
    assert [(run["outcome"], len(run["revisions"])) for run in project.runs()] == [(None, 1)]
    assert tables(one_database) == {"first", "alembic_version"}


def test_a_network_that_is_cut_while_planning(project: Project, one_database: Database, network: Network) -> None:
    """A cut while a plan reads is the network's fault, not a defect of erm; nothing was written."""
    project.revision(
        "a1", 'op.execute("CREATE TABLE t (id int)")\nop.get_bind().execute(sa.text("SELECT pg_sleep(600)"))'
    )
    project.url = through(network, one_database)
    with project.deploying() as deployer:
        until(lambda: sleeping(one_database))
        network.cut(for_good=True)
        code, out, err = deployer.ended()
    assert (code, out) == (1, "")
    assert "defect" not in err
    assert err.splitlines()[1] == NOTHING_RUN
    one_database.execute("SELECT pg_terminate_backend(%s)", sleeping(one_database)[0][0])
    assert tables(one_database) == set()


@pytest.fixture
def small_tablespace(one_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tablespace on a file system of eight megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system that is too small")
    folder = Path("/tmp") / f"{one_database.name}-small"
    folder.mkdir()
    if not mounted("-t", "tmpfs", "-o", "size=8m", "tmpfs", folder):
        folder.rmdir()
        pytest.skip("this machine lets nobody mount a file system")
    owner = Path(one_database.execute("SHOW data_directory")[0][0]).stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    folder.chmod(0o700)
    name = f"{one_database.name}_small"
    one_database.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
    try:
        yield name
    finally:
        one_database.execute("DROP TABLE IF EXISTS big")
        one_database.execute(f"DROP TABLESPACE {name}")
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_the_disk_is_full(project: Project, one_database: Database, small_tablespace: str) -> None:
    """A full disk fails the revision with the server's words; its transaction is rolled back and the ledger written."""
    fill = "INSERT INTO big SELECT repeat(md5(n::text), 20) FROM generate_series(1, 50000) n"
    project.table("a1", "first")
    project.revision(
        "b2",
        f'op.execute("CREATE TABLE big (t text) TABLESPACE {small_tablespace}")\nop.execute("{fill}")',
        'op.drop_table("big")',
        down="a1",
    )
    done = project.apply()
    assert done.returncode == 1
    assert "migrations/versions/b2.py:13: could not extend file" in done.stdout
    assert "No space left on device (SQLSTATE 53100)" in done.stdout
    assert tables(one_database) == {"first", "alembic_version"}
    assert project.runs()[0]["outcome"] == "failed"


def test_the_database_is_read_only(project: Project, one_database: Database) -> None:
    """A database that is set read-only refuses the ledger first: nothing is run, and the server's words are told."""
    project.table("a1", "first")
    one_database.execute(f"ALTER DATABASE {one_database.name} SET default_transaction_read_only = on")
    code, lines = told(project.apply())
    assert code == 1
    assert lines[0].endswith(": cannot execute CREATE SCHEMA in a read-only transaction.")
    assert lines[1] == NOTHING_RUN
    assert tables(one_database) == set()
