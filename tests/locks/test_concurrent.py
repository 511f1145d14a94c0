"""Statements outside a transaction: their wait is no lock wait that a retry wins, so they wait as long as it takes."""

from __future__ import annotations

import threading
import time

import pytest

from tests.faults.deploying import tables
from tests.locks.blocking import Deployment, open_transaction, pid_of

INDEX = 'op.execute("CREATE INDEX CONCURRENTLY orders_note ON orders (note)")'
BUILD = f"with op.get_context().autocommit_block():\n    {INDEX}"
SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM pg_class")


def test_a_concurrent_build_outlasts_an_old_snapshot(deployment: Deployment) -> None:
    """Its wait for an older transaction is longer than lock_timeout, is not cut off, and is told with who it is for."""
    deployment.project.config("execution: {lock_timeout: 200ms, lock_retries: 0}\n")
    deployment.project.revision("a1", BUILD)
    with open_transaction(deployment.database, *SNAPSHOT, application="report") as report:
        pid, began = pid_of(report), time.monotonic()
        ends = threading.Timer(1.0, report.commit)
        deployment.notes.when("waits for", ends.start)
        assert deployment.apply().result == "done"
        assert time.monotonic() - began > 1.0
    assert deployment.notes.saying("line 13 waits for the end of older transactions, as long as it takes:")
    (told,) = deployment.notes.saying(f"pid {pid} (report, postgres): idle in a transaction since ")
    assert told.endswith("; its last statement: SELECT count(*) FROM pg_class")
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_note'::regclass"
    assert deployment.database.execute(valid) == [(True,)]


def test_concurrent_timeout_ends_a_build_that_takes_too_long(deployment: Deployment) -> None:
    """execution.concurrent_timeout bounds a concurrent build, which is not tried again, and the cure names it."""
    deployment.project.config("execution: {concurrent_timeout: 500ms}\n")
    deployment.project.revision("a1", BUILD)
    with open_transaction(deployment.database, *SNAPSHOT):
        outcome = deployment.apply()
    assert outcome.result == "failed"
    assert (
        outcome.error == "migrations/versions/a1.py:13: canceling statement due to statement timeout (SQLSTATE 57014)"
    )
    assert outcome.cure == (
        "Raise execution.concurrent_timeout (500ms), or find out who cancelled it; then run `erm migrate` again."
    )
    assert deployment.notes.saying("was undone") == []


def test_the_limits_of_a_revision_come_back_after_a_concurrent_statement(deployment: Deployment) -> None:
    """What follows a concurrent statement waits for locks as briefly as what came before."""
    deployment.project.config("execution: {lock_timeout: 4s, statement_timeout: 5m, concurrent_timeout: 1h}\n")
    seen = (
        'op.execute("INSERT INTO seen SELECT name, setting::bigint FROM pg_settings'
        " WHERE name IN ('lock_timeout', 'statement_timeout')\")"
    )
    deployment.project.revision(
        "a1", f'op.execute("CREATE TABLE seen (name text, value bigint)")\n{BUILD}\n    {seen}\n{seen}'
    )
    assert deployment.apply().result == "done"
    rows = deployment.database.execute("SELECT name, value, count(*) FROM seen GROUP BY 1, 2 ORDER BY 1")
    assert rows == [("lock_timeout", 4_000, 2), ("statement_timeout", 300_000, 2)]


def test_a_lock_timeout_that_the_revision_sets_is_its_own(deployment: Deployment) -> None:
    """A revision that sets lock_timeout just before a concurrent statement is left to it; the cure says not to."""
    deployment.project.revision(
        "a1",
        f"with op.get_context().autocommit_block():\n    op.execute(\"SET lock_timeout = '400ms'\")\n    {INDEX}",
    )
    with open_transaction(deployment.database, *SNAPSHOT):
        outcome = deployment.apply()
    assert outcome.result == "failed"
    assert outcome.error is not None
    assert outcome.error.startswith(
        "migrations/versions/a1.py:14: canceling statement due to lock timeout (SQLSTATE 55P03): it did not get the "
        "end of older transactions, in 1 try; in the way: pid "
    )
    assert outcome.cure is not None
    assert "do not set lock_timeout in the revision before a statement that says CONCURRENTLY" in outcome.cure
    assert deployment.notes.saying("was undone") == []


def test_a_statement_that_could_run_in_a_transaction_keeps_the_lock_timeout(deployment: Deployment) -> None:
    """In an autocommit block, ALTER TABLE stops others while it waits: it is cut off, and tried again."""
    deployment.project.config("execution: {lock_timeout: 200ms, lock_retries: 1, retry_delay: 100ms}\n")
    alter = 'op.add_column("orders", sa.Column("total", sa.Integer))'
    deployment.project.revision("a1", f"with op.get_context().autocommit_block():\n    {alter}")
    with open_transaction(deployment.database, "SELECT * FROM orders") as reader:
        deployment.notes.when("was undone", reader.commit)
        assert deployment.apply().result == "done"
    assert len(deployment.notes.saying("was undone")) == 1


@pytest.mark.parametrize("statement", ["VACUUM FULL orders", "VACUUM orders"])
def test_what_stops_others_is_never_without_a_lock_timeout(statement: str, deployment: Deployment) -> None:
    """VACUUM FULL cannot run in a transaction either, but whoever reads waits behind it: its lock_timeout stays."""
    deployment.project.config("execution: {lock_timeout: 200ms}\n")
    deployment.project.revision("a1", f'with op.get_context().autocommit_block():\n    op.execute("{statement}")')
    with open_transaction(deployment.database, "LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE"):
        outcome = deployment.apply()
    assert outcome.result == "failed"
    assert outcome.error is not None
    assert "(SQLSTATE 55P03): it did not get " in outcome.error
    assert "orders" in tables(deployment.database)
