"""A commit whose answer is lost, and one that the server itself loses: what is told is what is there."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.faults.deploying import SLEEPS, Project, advisory_locks, sleeping, tables, until
from tests.faults.network import Network, network_to
from tests.support.databases import Database
from tests.support.servers import private_server


@pytest.fixture
def cut_at_commit(project: Project, one_database: Database) -> Iterator[None]:
    """A network that is reset when the commit of the second revision has reached the server, before its answer."""
    seen: list[bytes] = []
    networks: list[Network] = []

    def hear(data: bytes, send: Callable[[], None]) -> None:
        send()
        seen.append(data)
        if b"COMMIT" in data and any(b"CREATE TABLE second" in each for each in seen):
            seen.clear()
            until(lambda: "second" in tables(one_database))
            networks[0].cut(for_good=False)

    with network_to(one_database.server.socket_dir, hear) as network:
        networks.append(network)
        project.url = network.url(one_database.name)
        yield
    project.url = one_database.url


def test_the_answer_to_a_commit_is_lost(project: Project, one_database: Database, cut_at_commit: None) -> None:
    """A connection that is lost when the commit was made ends the run; the revision is told to be done, as it is."""
    project.table("a1", "first")
    project.revision("b2", 'op.execute("CREATE TABLE second (id int)")', 'op.drop_table("second")', down="a1")
    project.table("c3", "third", down="b2")
    done = project.apply()
    assert done.returncode == 1, done.stdout
    assert re.search(r"^  done     b2", done.stdout, re.MULTILINE), done.stdout
    assert "The database is now at b2." in done.stdout
    (run,) = project.runs()
    assert run["outcome"] == "failed"
    assert [(each["revision"], each["outcome"]) for each in run["revisions"]] == [("a1", "done"), ("b2", "done")]
    project.url = one_database.url
    assert project.apply("--wait", "30s").returncode == 0
    assert [each["revision"] for each in project.runs()[-1]["revisions"]] == ["c3"]


# What erm has checked before the commit defers some of the work anew.
SLOW_COMMIT = """
op.execute("CREATE TABLE second (id int)")
op.execute("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql"
    " AS $$ BEGIN"
    " IF NEW.id = 1 THEN SET CONSTRAINTS ALL DEFERRED; INSERT INTO second VALUES (2); ELSE PERFORM pg_sleep(1); END IF;"
    " RETURN NULL; END $$")
op.execute("CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON second DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION slow()")
op.execute("INSERT INTO second VALUES (1)")
"""


def test_a_commit_that_is_still_under_way(project: Project, one_database: Database) -> None:
    """A server process that lost its client goes on with its commit: what it did is looked at when it has ended."""
    networks: list[Network] = []
    seen: list[bytes] = []

    def hear(data: bytes, send: Callable[[], None]) -> None:
        send()
        seen.append(data)
        if b"COMMIT" in data and any(b"INSERT INTO second" in each for each in seen):
            seen.clear()
            until(lambda: sleeping(one_database))
            networks[0].cut(for_good=False)

    project.table("a1", "first")
    assert project.apply().returncode == 0
    project.revision("b2", SLOW_COMMIT, 'op.drop_table("second")', down="a1")
    with network_to(one_database.server.socket_dir, hear) as network:
        networks.append(network)
        project.url = network.url(one_database.name)
        done = project.apply()
    project.url = one_database.url
    assert done.returncode == 1, done.stdout
    assert re.search(r"^  done     b2", done.stdout, re.MULTILINE), done.stdout
    assert "The database is now at b2." in done.stdout
    assert [(each["revision"], each["outcome"]) for each in project.runs()[-1]["revisions"]] == [("b2", "done")]


def test_a_server_that_crashes_loses_what_was_not_on_its_disk(pg_bin: PostgresBinaries, tmp_path: Path) -> None:
    """Commits within a run do not wait for the disk: of those that a crash takes, nothing is told to be there, and the
    next run makes them again."""
    with private_server(pg_bin, wal_writer_delay="10s") as server:
        database = Database("postgres", server)
        project = Project(tmp_path, database)
        project.table("a1", "first")
        project.table("b2", "second", down="a1")
        path = project.revision("c3", SLEEPS, down="b2")
        with project.deploying() as deployer:
            deployer.until(lambda: database.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
            server.restart("immediate")
            code, out, err = deployer.ended()
        assert code == 1, err
        there = [
            row[0] for row in database.execute("SELECT revision FROM erm.revision WHERE outcome = 'done' ORDER BY 1")
        ]
        assert tables(database) - {"alembic_version"} == {{"a1": "first", "b2": "second"}[each] for each in there}
        assert re.findall(r"^  done     (\w+)", out, re.MULTILINE) == there
        lost = [each for each in ("a1", "b2") if each not in there]
        assert out.count("the server went down before this revision's commit was on its disk") == len(lost), out
        now = there[-1] if there else "base: no revision is recorded"
        assert f"The database is now at {now}." in out
        path.write_text(path.read_text().replace("pg_sleep(600)", "pg_sleep(0)"))
        done = project.apply()
        assert done.returncode == 0, done.stderr
        assert tables(database) == {"first", "second", "alembic_version"}


ENDS_ITSELF = """
with op.get_context().autocommit_block():
    op.execute("CREATE TABLE within (id int)")
    import os, psycopg2

    if "ENDS" in os.environ and op.get_bind().exec_driver_sql("SHOW application_name").scalar() == "erm apply":
        pid = op.get_bind().connection.dbapi_connection.info.backend_pid
        with psycopg2.connect({url!r}) as another, another.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
"""


def test_a_session_that_ends_behind_an_autocommit_block(project: Project, one_database: Database) -> None:
    """SQLAlchemy, which is the first to notice there, leaves no traceback of its own; the block's statements stay."""
    project.revision("a1", ENDS_ITSELF.format(url=one_database.url), 'op.drop_table("within")')
    done = project.erm("migrate", ENDS="1")
    assert (done.returncode, "  FAILED   a1" in done.stdout) == (1, True)
    assert "during reset" not in done.stderr
    assert tables(one_database) == {"within", "alembic_version"}
    assert project.apply("--wait", "30s").returncode == 0


def test_a_run_that_lost_only_its_last_word(project: Project, one_database: Database) -> None:
    """A run that was killed behind its last commit leaves nothing to do; the next run still writes that it died, but
    not while somebody deploys."""
    project.table("a1", "first")
    assert project.apply().returncode == 0
    one_database.execute("UPDATE erm.run SET finished_at = NULL, outcome = NULL")
    with contextlib.closing(one_database.connect()) as other:
        other.cursor().execute("SELECT pg_advisory_lock(%s, 1)", [0x65726D])
        assert project.apply().returncode == 0
        assert [run["outcome"] for run in project.runs()] == [None]
    until(lambda: advisory_locks(one_database) == 0)
    assert project.apply().returncode == 0
    (run,) = project.runs()
    assert (run["outcome"], run["error"][:32]) == ("died", "ended without a word; found at 2")
    assert run["finished_at"] >= run["started_at"]
