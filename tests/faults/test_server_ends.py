"""The server ends in the middle of a run, or ends one of its sessions: in the ledger, rolled back, and run again."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.faults.deploying import HOLDS, SLEEPS, Project, advisory_locks, sleeping, tables, until
from tests.support.databases import Database
from tests.support.servers import StopMode, private_server

# libpq passes on whichever it read first: the server's last words, or the end of the connection.
LAST_WORDS = r"b2\.py:13: (terminating connection|OperationalError: (server closed the connection|could not receive))"
LEDGER = "SELECT pid FROM pg_stat_activity WHERE application_name = 'erm ledger' AND datname = current_database()"


@pytest.fixture
def own(pg_bin: PostgresBinaries, tmp_path: Path) -> Iterator[Project]:
    """A project on a server of its own, which the test may end."""
    with private_server(pg_bin) as server:
        yield Project(tmp_path, Database("postgres", server))


def two_revisions(project: Project) -> Path:
    project.table("a1", "first")
    return project.revision("b2", f'op.execute("CREATE TABLE t (id int)")\n{SLEEPS}', 'op.drop_table("t")', down="a1")


def and_again(project: Project, path: Path) -> None:
    """Nothing of the second revision stays, no lock either, and the next run does all of it."""
    assert project.database is not None
    until(lambda: advisory_locks(project.database) == 0)
    assert tables(project.database) == {"first", "alembic_version"}
    path.write_text(path.read_text().replace("pg_sleep(600)", "pg_sleep(0)"))
    done = project.apply()
    assert done.returncode == 0, done.stderr + done.stdout
    assert tables(project.database) == {"first", "t", "alembic_version"}


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_the_server_restarts(mode: StopMode, own: Project) -> None:
    """A server that restarts fails the revision under way; it is back in time for the ledger to have the last word."""
    own.config("execution: {synchronous_commit: true}")
    path = two_revisions(own)
    assert own.database is not None
    with own.deploying() as deployer:
        deployer.until(lambda: sleeping(own.database))
        own.database.server.restart(mode)
        code, out, err = deployer.ended()
    assert code == 1
    assert re.search(LAST_WORDS, out), out
    assert "The database is now at a1." in out
    assert "could not be written" not in err
    (run,) = own.runs()
    assert run["outcome"] == "failed"
    assert [(each["revision"], each["outcome"]) for each in run["revisions"]] == [("a1", "done"), ("b2", "failed")]
    and_again(own, path)


def test_the_server_stops_for_long(own: Project) -> None:
    """A server that stays down leaves the run without an end; the next run writes that it ended without a word."""
    path = two_revisions(own)
    assert own.database is not None
    server = own.database.server
    with own.deploying() as deployer:
        deployer.until(lambda: sleeping(own.database))
        server.stop("fast")
        code, _, err = deployer.ended()
    assert code == 1
    assert "The end of run 1 could not be written to the ledger: failed." in err
    server.start()
    assert [run["outcome"] for run in own.runs()] == [None]
    and_again(own, path)
    first, second = own.runs()
    assert (first["outcome"], second["outcome"]) == ("died", "done")
    assert first["error"].startswith("ended without a word; found by run 2 at ")
    assert first["finished_at"] is not None


def test_the_ledger_s_session_is_ended(project: Project, one_database: Database) -> None:
    """An administrator who ends the ledger's session ends no revision: the run goes on, and its end is written."""
    project.table("a1", "first")
    project.revision("b2", HOLDS, down="a1")
    project.table("c3", "third", down="b2")
    holder = one_database.connect()
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(42)")
        with project.deploying() as deployer:
            deployer.until(
                lambda: one_database.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            )
            ((pid,),) = one_database.execute(LEDGER)
            assert one_database.execute("SELECT pg_terminate_backend(%s, 10000)", pid) == [(True,)]
            cursor.execute("SELECT pg_advisory_unlock(42)")
            code, _, err = deployer.ended()
    holder.close()
    assert (code, "could not be written" in err) == (0, False), err
    (run,) = project.runs()
    assert run["outcome"] == "done"
    assert [each["revision"] for each in run["revisions"]] == ["a1", "b2", "c3"]


def test_both_sessions_are_ended(project: Project, one_database: Database) -> None:
    """When the migration's session and the ledger's end together, the failure is written by a third one."""
    path = two_revisions(project)
    with project.deploying() as deployer:
        deployer.until(lambda: sleeping(one_database))
        one_database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'erm%'"
        )
        code, out, err = deployer.ended()
    assert (code, "could not be written" in err) == (1, False), err
    assert re.search(LAST_WORDS, out), out
    assert [run["outcome"] for run in project.runs()] == ["failed"]
    and_again(project, path)


def test_a_signal_after_the_ledger_s_session_ended(project: Project, one_database: Database) -> None:
    """An interrupted run whose ledger session is gone is still written as interrupted."""
    path = two_revisions(project)
    with project.deploying() as deployer:
        deployer.until(lambda: sleeping(one_database))
        ((pid,),) = one_database.execute(LEDGER)
        one_database.execute("SELECT pg_terminate_backend(%s, 10000)", pid)
        deployer.signal(signal.SIGTERM)
        code, _, _ = deployer.ended()
    assert code == 143
    assert [(run["outcome"], run["error"]) for run in project.runs()] == [("interrupted", "stopped by SIGTERM")]
    and_again(project, path)
