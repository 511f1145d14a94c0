"""A real PgBouncer in front of the server: erm refuses, says where to go instead, and leaves nothing behind."""

from __future__ import annotations

import psycopg2
import pytest

from tests.faults.deploying import Project, advisory_locks, tables, told
from tests.faults.network import network_to
from tests.support.databases import Database
from tests.support.poolers import PORT, pgbouncer

REFUSED = [
    "effect: Nothing was planned or run. A transaction pooler would strand the deploy lock, and hand the settings of"
    " this session to other clients.",
    "cure:   Give migrations the database's own address, past the pooler.",
]
COMMANDS = (("migrate", "--mode", "plan"), ("migrate", "--mode", "rollback"), ("status",), ("history",))
# How poolers are set up: one that hands out its only server connection again and again, one that cleans it each time,
# and one that takes passwords from the server.
SET_UPS = {
    "transaction": {},
    "session": {},
    "statement": {},
    "cleaning": {"server_reset_query_always": "1"},
    "auth_query": {"auth_user": "postgres", "auth_query": "SELECT usename, passwd FROM pg_shadow WHERE usename = $1"},
}


@pytest.mark.parametrize("set_up", SET_UPS)
def test_a_pooler_is_refused(set_up: str, project: Project, one_database: Database) -> None:
    """Every command refuses a pooler in whichever mode, with the way past it; neither a lock nor a setting stays on the
    server's connection that other clients share, and past the pooler the deployment works."""
    project.table("a1", "first")
    mode = set_up if set_up in ("session", "statement") else "transaction"
    with pgbouncer(one_database.server.socket_dir, mode, **SET_UPS[set_up]) as pooler:
        for command in (("migrate",), *(COMMANDS if set_up == "transaction" else ())):
            code, lines = told(project.erm(*command, ERM_DATABASE_URL=pooler.url(one_database.name)))
            assert code == 1
            assert lines[0].endswith(
                " is behind a connection pooler: another server process answers than the one that greeted."
            )
            assert lines[1:] == REFUSED
        assert advisory_locks(one_database) == 0
        other = psycopg2.connect(pooler.url(one_database.name))
        other.autocommit = True
        with other.cursor() as cursor:
            cursor.execute("SELECT name FROM pg_settings WHERE source = 'session' AND name NOT LIKE '%_encoding'")
            assert {name for (name,) in cursor.fetchall()} <= {"application_name"}
        other.close()
        assert project.apply().returncode == 0
    assert tables(one_database) == {"first", "alembic_version"}


def test_a_pooler_is_found_out_each_time(project: Project, one_database: Database) -> None:
    """A pooler that always hands out the same server connection is told from a server at each of many tries."""
    with pgbouncer(one_database.server.socket_dir, "transaction") as pooler:
        greeted, answered = set(), set()
        for _ in range(50):
            connection = psycopg2.connect(pooler.url(one_database.name))
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                answered.add(cursor.fetchone()[0])
            greeted.add(connection.info.backend_pid)
            connection.rollback()
            connection.close()
    assert len(answered) == 1
    assert not greeted & answered


def test_a_pooler_on_the_network(project: Project, one_database: Database) -> None:
    """Over TCP a pooler is refused as it is over a unix socket."""
    project.table("a1", "first")
    with (
        pgbouncer(one_database.server.socket_dir, "transaction") as pooler,
        network_to(pooler.folder) as network,
    ):
        code, lines = told(project.erm("migrate", ERM_DATABASE_URL=network.url(one_database.name)))
    assert (code, lines[1:]) == (1, REFUSED)
    assert tables(one_database) == set()


def test_a_pooler_that_takes_no_options(project: Project, one_database: Database) -> None:
    """A pooler that rejects what the URL asks of the server is recognised by its words."""
    with pgbouncer(one_database.server.socket_dir, "transaction") as pooler:
        code, lines = told(
            project.erm("status", ERM_DATABASE_URL=pooler.url(one_database.name, "&options=-csearch_path%3Dx"))
        )
    assert code == 1
    assert lines[0].endswith(f'.s.PGSQL.{PORT}" failed: FATAL: unsupported startup parameter: options')
    assert lines[2] == REFUSED[1]
