"""A concurrent index whose build is cut short, in each way in which that happens: the next run makes it whole."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.faults.deploying import Deployer, Project, until
from tests.support.databases import Database

BUILDING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND query LIKE 'CREATE%INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'"
)
INDEXES = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'first'::regclass ORDER BY 1"
WHOLE = [("first_id", True), ("first_pkey", True)]


@contextlib.contextmanager
def old_transaction(database: Database) -> Iterator[None]:
    """A writer that a concurrent build has to wait for."""
    with contextlib.closing(database.connect()) as connection:
        connection.autocommit = False
        connection.cursor().execute("INSERT INTO first VALUES (1)")
        yield


@pytest.fixture
def indexed(project: Project) -> Project:
    """A project whose second revision builds an index while others write."""
    project.table("a1", "first")
    assert project.apply().returncode == 0
    project.revision(
        "b2",
        """
        op.execute("CREATE TABLE before (n int)")
        with op.get_context().autocommit_block():
            op.create_index("first_id", "first", ["id"], postgresql_concurrently=True)
            op.execute("INSERT INTO before VALUES (1)")
        """,
        """
        with op.get_context().autocommit_block():
            op.drop_index("first_id", "first", postgresql_concurrently=True)
        op.drop_table("before")
        """,
        down="a1",
    )
    return project


def end_of_build(database: Database) -> None:
    """The server ends the building session."""
    for (pid,) in database.execute(BUILDING):
        database.execute("SELECT pg_terminate_backend(%s)", pid)


def cancelled_build(database: Database) -> None:
    """An administrator cancels the build."""
    for (pid,) in database.execute(BUILDING):
        database.execute("SELECT pg_cancel_backend(%s)", pid)


ENDS: dict[str, tuple[Callable[[Deployer, Database], object], int, str]] = {
    "SIGINT": (lambda deployer, _: deployer.signal(signal.SIGINT), 130, "interrupted"),
    "SIGTERM": (lambda deployer, _: deployer.signal(signal.SIGTERM), 143, "interrupted"),
    "SIGHUP": (lambda deployer, _: deployer.signal(signal.SIGHUP), 129, "interrupted"),
    "terminated": (lambda _, database: end_of_build(database), 1, "failed"),
    "cancelled": (lambda _, database: cancelled_build(database), 1, "failed"),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_build_that_is_cut_short(end: str, indexed: Project, one_database: Database) -> None:
    """A signal, the end of the session, a cancel: the run has its exit code and its end in the ledger; the next one
    removes what the build left, builds it again, and repeats nothing."""
    act, expected, outcome = ENDS[end]
    with old_transaction(one_database), indexed.deploying() as deployer:
        deployer.until(lambda: one_database.execute(BUILDING))
        act(deployer, one_database)
        code, _, err = deployer.ended()
    assert code == expected, err
    assert indexed.runs()[-1]["outcome"] == outcome
    assert ("first_id", False) in one_database.execute(INDEXES)
    done = indexed.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert one_database.execute(INDEXES) == WHOLE
    assert one_database.execute("SELECT n FROM before") == [(1,)]


def test_a_build_that_goes_on_without_its_deployer(indexed: Project, one_database: Database) -> None:
    """After kill -9 the server builds on; the next run waits for that, and neither removes nor repeats the build."""
    with old_transaction(one_database):
        with indexed.deploying() as deployer:
            deployer.until(lambda: one_database.execute(BUILDING))
            deployer.kill()
        ((oid,),) = one_database.execute("SELECT 'first_id'::regclass::oid")
        with indexed.deploying("--wait", "60s") as following:
            assert following.process.stderr is not None
            assert following.process.stderr.readline().startswith("Waiting for the deploy lock, held by pid ")
            assert one_database.execute(BUILDING)
            assert one_database.execute("SELECT oid FROM pg_class WHERE relname = 'first_id'") == [(oid,)]
            release(one_database)
            code, out, err = following.ended()
    assert code == 0, out + err
    assert one_database.execute(INDEXES) == WHOLE
    assert one_database.execute("SELECT oid FROM pg_class WHERE relname = 'first_id'") == [(oid,)]
    assert one_database.execute("SELECT n FROM before") == [(1,)]
    assert [run["outcome"] for run in indexed.runs()] == ["done", "died", "done"]


def release(database: Database) -> None:
    """End the writer that the build waits for."""
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'INSERT INTO first%'"
    )
    until(lambda: not database.execute(BUILDING))
