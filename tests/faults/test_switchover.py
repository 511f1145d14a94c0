"""A primary that goes away and a standby that takes over, under a run and under one that waits for its turn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.faults.deploying import HOLDS, SLEEPS, Project, advisory_locks, sleeping, tables, told, until
from tests.support.databases import Database
from tests.support.standbys import Replicated, has_basebackup, replicated

WAITS_FOR_TEST = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def pair(pg_bin: PostgresBinaries) -> Iterator[Replicated]:
    """A primary and its standby."""
    if not has_basebackup(pg_bin):
        pytest.skip("this PostgreSQL has no pg_basebackup to make a standby with")
    with replicated(pg_bin) as pair:
        yield pair


@pytest.fixture
def primary(pair: Replicated) -> Database:
    """The database on the first primary."""
    return Database("postgres", pair.primary)


@pytest.fixture
def standby(pair: Replicated) -> Database:
    """The same database on the standby, which becomes the primary."""
    return Database("postgres", pair.standby)


@pytest.fixture
def failing_over(pair: Replicated, primary: Database, tmp_path: Path) -> Project:
    """A project whose URL names both servers and asks for the one that can be written."""
    return Project(tmp_path, primary, url=pair.url("postgres"))


def on_the_new_primary(project: Project, standby: Database) -> None:
    """What the project deploys from now on is looked for on the standby that was promoted."""
    until(lambda: advisory_locks(standby) == 0)
    project.database = standby


def test_the_primary_fails_in_a_revision(
    failing_over: Project, pair: Replicated, primary: Database, standby: Database
) -> None:
    """A primary that fails takes the revision under way with it: exit code 1; the standby has what was committed, the
    outcome too, and the next run goes on from there."""
    failing_over.table("a1", "first")
    path = failing_over.revision(
        "b2", f'op.execute("CREATE TABLE t (id int)")\n{SLEEPS}', 'op.drop_table("t")', down="a1"
    )
    with failing_over.deploying() as deployer:
        deployer.until(lambda: sleeping(primary))
        pair.catch_up()
        pair.switch_over()
        code, out, err = deployer.ended()
    assert (code, "  FAILED   b2" in out) == (1, True), out + err
    on_the_new_primary(failing_over, standby)
    assert tables(standby) == {"first", "alembic_version"}
    (run,) = failing_over.runs()
    assert run["outcome"] == "failed"
    assert [(each["revision"], each["outcome"]) for each in run["revisions"]] == [("a1", "done"), ("b2", "failed")]
    path.write_text(path.read_text().replace("pg_sleep(600)", "pg_sleep(0)"))
    assert failing_over.apply().returncode == 0
    assert tables(standby) == {"first", "t", "alembic_version"}


def test_the_primary_fails_between_batches(
    failing_over: Project, pair: Replicated, primary: Database, standby: Database
) -> None:
    """Of a revision outside transactions, the standby has the statements that it received; the next run goes on behind
    them, and none is done twice."""
    failing_over.revision(
        "a1",
        """
        op.execute("CREATE TABLE batch (n int)")
        with op.get_context().autocommit_block():
            op.execute("INSERT INTO batch VALUES (1)")
            op.execute("INSERT INTO batch VALUES (2)")
            op.execute("DO $$ BEGIN PERFORM pg_advisory_xact_lock(42); INSERT INTO batch VALUES (3); END $$")
            op.execute("CREATE INDEX CONCURRENTLY batch_n ON batch (n)")
        """,
        'op.drop_table("batch")',
    )
    with contextlib.closing(primary.connect()) as holder:
        holder.cursor().execute("SELECT pg_advisory_lock(42)")
        with failing_over.deploying() as deployer:
            deployer.until(lambda: primary.execute(WAITS_FOR_TEST))
            pair.catch_up()
            pair.switch_over()
            assert deployer.ended()[0] == 1
    on_the_new_primary(failing_over, standby)
    assert standby.execute("SELECT n FROM batch ORDER BY n") == [(1,), (2,)]
    done = failing_over.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert standby.execute("SELECT n FROM batch ORDER BY n") == [(1,), (2,), (3,)]
    assert standby.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'batch_n'::regclass") == [(True,)]


def test_the_standby_takes_over_while_erm_waits(
    failing_over: Project, pair: Replicated, primary: Database, standby: Database
) -> None:
    """Who waits for the deploy lock when the primary goes away ends in words with nothing changed, and finds the new
    primary in its next run."""
    failing_over.table("a1", "first")
    failing_over.revision("b2", HOLDS, down="a1")
    with contextlib.closing(primary.connect()) as holder:
        holder.cursor().execute("SELECT pg_advisory_lock(42)")
        with failing_over.deploying() as first:
            first.until(lambda: primary.execute(WAITS_FOR_TEST))
            with failing_over.deploying("--wait", "5m") as second:
                assert second.process.stderr is not None
                assert second.process.stderr.readline().startswith("Waiting for the deploy lock, held by pid ")
                pair.catch_up()
                pair.switch_over()
                code, out, err = second.ended()
            assert first.ended()[0] == 1
    assert (code, out) == (1, "")
    assert "effect: Nothing was planned or run." in err
    on_the_new_primary(failing_over, standby)
    assert tables(standby) == {"first", "alembic_version"}
    assert failing_over.apply().returncode == 0
    assert [run["outcome"] for run in failing_over.runs()] == ["failed", "done"]


def test_the_primary_turns_read_only(project: Project, one_database: Database) -> None:
    """A database that is set read-only under a run ends it before the next revision; that one is told why, the one
    before it stays, and once the database may be written the next run goes on."""
    project.table("a1", "first")
    project.revision("b2", f"op.create_table('second', sa.Column('id', sa.Integer))\n{HOLDS}", down="a1")
    project.table("c3", "third", down="b2")
    with contextlib.closing(one_database.connect()) as holder:
        holder.cursor().execute("SELECT pg_advisory_lock(42)")
        with project.deploying() as deployer:
            deployer.until(lambda: one_database.execute(WAITS_FOR_TEST))
            one_database.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            try:
                one_database.execute("SELECT pg_reload_conf()")
                until(lambda: one_database.execute("SHOW default_transaction_read_only") == [("on",)])
                holder.cursor().execute("SELECT pg_advisory_unlock(42)")
                code, out, err = deployer.ended()
            finally:
                one_database.execute("ALTER SYSTEM RESET default_transaction_read_only")
                one_database.execute("SELECT pg_reload_conf()")
    until(lambda: one_database.execute("SHOW default_transaction_read_only") == [("off",)])
    assert code == 1
    assert "in a read-only transaction (SQLSTATE 25006)" in out, out
    assert "cure:   The database is read-only now: find out where, or when, it may be written; then run" in out, out
    assert "The end of run 1 could not be written to the ledger: failed." in err
    assert tables(one_database) == {"first", "second", "alembic_version"}
    assert project.apply().returncode == 0
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}
    assert [run["outcome"] for run in project.runs()] == ["died", "done"]


def test_a_standby_alone(pair: Replicated, tmp_path: Path) -> None:
    """A standby is planned on, and refused for a deployment with the address that finds the primary."""
    project = Project(tmp_path, url=pair.standby.url())
    project.table("a1", "first")
    assert project.apply("--mode", "plan").returncode == 0
    code, lines = told(project.apply())
    assert (code, lines[0].endswith("is a read-only standby."), lines[1]) == (1, True, "effect: Nothing was changed.")
    assert lines[2] == (
        "cure:   Point the profile at the primary (with several hosts: target_session_attrs=read-write)."
    )
