"""What a server can run out of: locks, connections, disk. It is named with its cure, and nothing stays half done."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.embedded.private_place import reachable_binaries
from tests.faults.deploying import Project, tables, told, until
from tests.support.databases import Database
from tests.support.servers import PrivateServer, private_server, running, server_folder

MANY = 'for n in range(1500):\n    op.execute(f"CREATE TABLE t{n} (id int PRIMARY KEY)")'
FEW_LOCKS = {"max_locks_per_transaction": "10", "max_connections": "10", "max_wal_senders": "0"}


def test_out_of_memory_for_locks(pg_bin: PostgresBinaries, tmp_path: Path) -> None:
    """A revision with more tables than the server has locks fails whole, and is told the setting that helps."""
    with private_server(pg_bin, max_prepared_transactions="0", **FEW_LOCKS) as server:
        project = Project(tmp_path, Database("postgres", server))
        project.table("a1", "first")
        project.revision("b2", MANY, 'op.execute("DROP SCHEMA public CASCADE")', down="a1")
        done = project.apply()
        assert done.returncode == 1
        failed = "migrations/versions/b2.py:13: out of shared memory (SQLSTATE 53200)"
        cure = (
            "cure:   Each table and index is a lock until the commit: split the revision, or raise"
            " max_locks_per_transaction and restart the server; then run `erm migrate` again."
        )
        assert failed in done.stdout
        assert cure in done.stdout.splitlines()
        (run,) = project.runs()
        assert (run["outcome"], run["error"]) == ("failed", failed)
        assert tables(project.database) == {"first", "alembic_version"}
        server.settings = {"max_locks_per_transaction": "400", "max_connections": "10"}
        server.restart()
        assert project.apply().returncode == 0
        assert len(tables(project.database)) == 1502


@contextmanager
def all_connections_but(free: int, server: PrivateServer) -> Iterator[None]:
    """Take every connection that the server has, less a few. A closed one is free only when its process is gone."""
    taken: list[Any] = []
    try:
        with pytest.raises(psycopg2.OperationalError, match="too many clients"):
            while True:
                taken.append(psycopg2.connect(server.url()))
        for _ in range(free):
            taken.pop().close()
        until(lambda: clients_seen_by(taken[0]) == len(taken))
        yield
        for connection in taken[1:]:
            connection.close()
        until(lambda: clients_seen_by(taken[0]) == 1)
    finally:
        for connection in taken:
            connection.close()
    until(lambda: lets_in(server))


def clients_seen_by(connection: Any) -> int:
    """How many connections the server has, this one among them."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        (count,) = cursor.fetchone()
        return int(count)


def lets_in(server: PrivateServer) -> bool:
    """Whether somebody can connect, and finds nobody else there."""
    try:
        with closing(psycopg2.connect(server.url())) as connection:
            return clients_seen_by(connection) == 1
    except psycopg2.OperationalError:
        return False


def test_out_of_connections(pg_bin: PostgresBinaries, tmp_path: Path) -> None:
    """However few connections are left, erm says so, changes nothing, and works once there are three: the migration's,
    the ledger's, and the one that env.py opens."""
    with private_server(pg_bin, max_connections="7", superuser_reserved_connections="0", max_wal_senders="0") as server:
        project = Project(tmp_path, Database("postgres", server))
        project.table("a1", "first")
        with all_connections_but(0, server):
            code, lines = told(project.apply())
        assert (code, lines[0].endswith("FATAL: sorry, too many clients already")) == (1, True)
        assert lines[1:] == [
            "effect: Nothing was planned or run.",
            "cure:   Wait until connections are free, or raise max_connections.",
        ]
        for free in (1, 2):
            with all_connections_but(free, server):
                code, lines = told(project.apply())
            assert (code, "sorry, too many clients already" in lines[0]) == (1, True)
            assert "max_connections" in lines[2]
            assert tables(project.database) == set()
        with all_connections_but(3, server):
            assert project.apply().returncode == 0
        assert tables(project.database) == {"first", "alembic_version"}


def test_a_role_s_own_limit(project: Project, one_database: Database) -> None:
    """A role's or a database's own limit of connections is told from the server's."""
    one_database.execute(f"CREATE ROLE {one_database.name} LOGIN SUPERUSER CONNECTION LIMIT 0")
    one_database.execute(f"ALTER ROLE {one_database.name} NOSUPERUSER")
    project.table("a1", "first")
    assert project.url is not None
    try:
        code, lines = told(
            project.erm("migrate", ERM_DATABASE_URL=project.url.replace("postgres@", f"{one_database.name}@"))
        )
    finally:
        one_database.execute(f"DROP ROLE {one_database.name}")
    assert (code, "too many connections for role" in lines[0]) == (1, True)
    assert (
        lines[2] == "cure:   Wait until connections are free, or raise the CONNECTION LIMIT of that role or database."
    )


@pytest.fixture
def small_server(pg_bin: PostgresBinaries) -> Iterator[PrivateServer]:
    """A server whose whole data directory, its log of changes too, is on a file system that is soon full."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system that is too small")
    try:
        with server_folder(small="100m") as (folder, user):
            settings = {"max_wal_size": "4MB", "min_wal_size": "2MB"}
            server = PrivateServer(folder, reachable_binaries(pg_bin, user), user, settings)
            server.initialise("--wal-segsize=1")
            with running(server):
                yield server
    except OSError as error:
        pytest.skip(str(error))


def test_the_server_s_whole_disk_is_full(small_server: PrivateServer, tmp_path: Path) -> None:
    """A data directory that is full may end the server itself, which cannot write its log then; the run fails in words,
    and once there is room again, a plain apply ends at head."""
    database = Database("postgres", small_server)
    project = Project(tmp_path, database)
    project.table("a1", "first")
    project.revision(
        "b2",
        'op.execute("CREATE TABLE big (t text)")\n'
        'op.execute("INSERT INTO big SELECT repeat(md5(n::text), 20) FROM generate_series(1, 20000) n")',
        'op.drop_table("big")',
        down="a1",
    )
    assert project.apply("--to", "a1").returncode == 0
    ballast = small_server.folder / "ballast"
    room = os.statvfs(small_server.folder)
    with ballast.open("wb") as stream:
        stream.write(bytes(room.f_bavail * room.f_frsize - 4 * 1024 * 1024))
    done = project.apply()
    assert done.returncode == 1
    assert "  FAILED   b2" in done.stdout
    assert re.search(r"No space left on device|server closed the connection|terminating connection", done.stdout)
    ballast.unlink()
    if not small_server.runs():
        small_server.start()
    assert tables(database) == {"first", "alembic_version"}
    again = project.apply("--wait", "30s")
    assert again.returncode == 0, again.stderr + again.stdout
    assert tables(database) == {"first", "big", "alembic_version"}
    assert database.execute("SELECT count(*) FROM big") == [(20000,)]
    assert {run["outcome"] for run in project.runs()[1:-1]} <= {"failed", "died"}
