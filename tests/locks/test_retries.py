"""A revision that does not get its lock: tried again, a bounded number of times, with words, and nobody held up."""

from __future__ import annotations

import json
import re
import signal
import threading
import time

from tests.faults.deploying import Project, until
from tests.locks.blocking import ADD, WRITES, Deployment, columns, open_transaction, pid_of
from tests.support.databases import Database

OPEN = r"in a transaction since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(\d+s\)"


class Reader(threading.Thread):
    """The application: reads and writes the table again and again, and measures how long each of both takes."""

    def __init__(self, database: Database) -> None:
        super().__init__(daemon=True)
        self.connection = database.connect(application_name="reader")
        self.seconds: list[float] = []
        self.over = threading.Event()

    def run(self) -> None:
        with self.connection.cursor() as cursor:
            while not self.over.wait(0.01):
                began = time.monotonic()
                cursor.execute("SELECT * FROM orders")
                cursor.execute("UPDATE orders SET note = note WHERE id = 2")
                self.seconds.append(time.monotonic() - began)

    def slowest(self) -> float:
        """Stop, and the longest time that it was held."""
        self.over.set()
        self.join(30)
        return max(self.seconds)


def test_a_writer_is_named_and_given_up_on_and_holds_up_nobody_else(project: Project, one_database: Database) -> None:
    """With a writer's transaction open, apply tries as often as it may, names it, and no reader waits for all of it."""
    project.config("execution: {lock_timeout: 1s, lock_retries: 2, retry_delay: 300ms}\n")
    project.revision("a1", ADD)
    reader = Reader(one_database)
    with open_transaction(one_database, WRITES) as writer:
        pid = pid_of(writer)
        reader.start()
        began = time.monotonic()
        done = project.apply("--format", "json")
        took = time.monotonic() - began
        slowest = reader.slowest()
    # Three tries of a second each: who was held up by all of them would have waited for longer than the margin.
    assert took > 3
    assert 0.3 < slowest < 1 + 1.5
    assert done.returncode == 1
    who = f"pid {pid} (web, postgres)"
    doing = rf"idle {OPEN}; its last statement: UPDATE orders SET note = '...' WHERE id = \?"
    told = done.stderr.splitlines()
    assert told.count("      line 12 waits for ACCESS EXCLUSIVE on table public.orders, 1s at most:") >= 3
    assert any(re.fullmatch(rf"        {re.escape(who)}: {doing}", line) for line in told), told
    assert any(line.startswith("        behind it waits pid ") and "(reader, postgres)" in line for line in told)
    undone = [line for line in told if "was undone" in line]
    assert [re.sub("in .*", "", line.split("; ")[1]) for line in undone] == [f"try {n} of 3 " for n in (2, 3)]
    assert undone[0].startswith("      a1 was undone: it did not get ACCESS EXCLUSIVE on table public.orders; try 2 of")
    outcome = json.loads(done.stdout)["outcome"]
    assert re.fullmatch(
        r"migrations/versions/a1.py:12: canceling statement due to lock timeout \(SQLSTATE 55P03\): it did not get "
        rf"ACCESS EXCLUSIVE on table public.orders, in 3 tries; in the way: {re.escape(who)}: {doing}",
        outcome["error"],
    )
    assert outcome["effect"] == "Revision a1 was undone: nothing of it stays."
    assert outcome["cure"] == (
        f"Let {who} finish, or end it: SELECT pg_terminate_backend({pid}); Then run `erm migrate` again. Or have more "
        "patience: execution.lock_retries (2) and execution.max_retry_delay (30s) in erm.yaml."
    )
    assert "a secret" not in done.stdout + done.stderr
    (run,) = project.runs()
    assert (run["outcome"], run["error"]) == ("failed", outcome["error"])
    assert columns(one_database) == ["id", "note"]


def test_effect_and_cure_stand_in_the_text_too(project: Project, one_database: Database) -> None:
    """For people, the same two sentences stand under the revision that failed."""
    project.config("execution: {lock_timeout: 100ms, lock_retries: 0}\n")
    project.revision("a1", ADD)
    with open_transaction(one_database, WRITES) as writer:
        pid = pid_of(writer)
        lines = project.apply().stdout.splitlines()
    assert "effect: Revision a1 was undone: nothing of it stays." in lines
    (cure,) = [line for line in lines if line.startswith("cure:")]
    assert f"SELECT pg_terminate_backend({pid});" in cure
    assert lines[-1] == "The database is now at base: no revision is recorded."


def test_once_the_writer_has_committed_the_revision_is_done(deployment: Deployment) -> None:
    """A writer that ends while apply tries is outlived: the revision is done once, with its own statements counted."""
    deployment.project.revision("a1", f'op.execute("CREATE TABLE first (id int)")\n{ADD}')
    with open_transaction(deployment.database, WRITES) as writer:
        deployment.notes.when("a1 was undone", writer.commit)
        outcome = deployment.apply()
    assert (outcome.result, outcome.effect, outcome.cure) == ("done", None, None)
    assert [(step.outcome, step.statements) for step in outcome.steps] == [("done", 2)]
    assert len(deployment.notes.saying("was undone")) == 1
    assert columns(deployment.database) == ["id", "note", "total"]
    (run,) = deployment.project.runs()
    assert [(each["revision"], each["outcome"]) for each in run["revisions"]] == [("a1", "done")]


def test_a_reader_of_long_standing_is_waited_for(deployment: Deployment) -> None:
    """A dump that only reads is in the way of ALTER TABLE, is named before and while it waits, and goes on unharmed."""
    deployment.project.config("execution: {lock_timeout: 1s, lock_retries: 1}\n")
    deployment.project.revision("a1", ADD)
    dump = "pg_dump"
    with open_transaction(deployment.database, "SELECT * FROM orders", application=dump) as reader:
        pid = pid_of(reader)
        age = "SELECT clock_timestamp() - xact_start > '1s' FROM pg_stat_activity WHERE pid = %s"
        until(lambda: deployment.database.execute(age, pid)[0][0])
        deployment.notes.when("waits for", reader.commit)
        assert deployment.apply().result == "done"
    (before,) = deployment.notes.saying("may have to wait")
    assert before.startswith(f"      may have to wait: public.orders is locked by pid {pid} (pg_dump, postgres)")
    assert deployment.notes.saying("was undone") == []


def test_a_deadlock_with_the_application_is_tried_again(deployment: Deployment) -> None:
    """When the server resolves a deadlock by ending the revision, that is undone and tried again."""
    deployment.project.config("execution: {lock_timeout: 20s, lock_retries: 1, retry_delay: 100ms}\n")
    deployment.database.execute("CREATE TABLE customers (id int)")
    lock = 'op.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")'
    deployment.project.revision("a1", f"op.execute(\"SET LOCAL deadlock_timeout = '2s'\")\n{lock}\n{ADD}")
    with open_transaction(deployment.database, "SET deadlock_timeout = '1h'", "LOCK TABLE orders") as application:

        def cross() -> None:
            application.cursor().execute("SELECT * FROM customers")
            application.commit()

        crossing = threading.Thread(target=cross)
        deployment.notes.when("waits for ACCESS EXCLUSIVE on table public.orders", crossing.start)
        outcome = deployment.apply()
        crossing.join(10)
    assert outcome.result == "done"
    (undone,) = deployment.notes.saying("was undone")
    assert "a1 was undone: it deadlocked over ACCESS EXCLUSIVE on table public.orders; try 2 of 2 in" in undone


def test_no_tries_are_made_beyond_none(deployment: Deployment) -> None:
    """lock_retries: 0 gives up at once, and waiting for zero means waiting as long as it takes."""
    deployment.project.config("execution: {lock_timeout: 100ms, lock_retries: 0}\n")
    deployment.project.revision("a1", ADD)
    with open_transaction(deployment.database, WRITES) as writer:
        outcome = deployment.apply()
        assert outcome.result == "failed"
        assert outcome.error is not None
        assert "did not get ACCESS EXCLUSIVE on table public.orders, in 1 try;" in outcome.error
        assert deployment.notes.saying("was undone") == []
        deployment.project.config("execution: {lock_timeout: 0s, lock_retries: 0}\n")
        deployment.notes.when("on table public.orders, as long as it takes:", writer.commit)
        assert deployment.apply().result == "done"


def test_a_profile_has_patience_of_its_own(project: Project, one_database: Database) -> None:
    """What a profile says of execution wins key by key, is shown with its line, and holds in a run."""
    project.config(
        "database: {environments: {prod: {execution: {lock_retries: 1}}}}\n"
        "execution: {lock_timeout: 100ms, retry_delay: 50ms, lock_retries: 7}\n"
    )
    project.revision("a1", ADD)
    shown = json.loads(project.erm("config", "show", "--env", "prod", "--format", "json").stdout)["settings"]
    assert shown["execution.lock_retries"] == {"value": 1, "origin": "erm.yaml:1"}
    assert shown["execution.lock_timeout"] == {"value": "100ms", "origin": "erm.yaml:2"}
    assert shown["execution.max_retry_delay"] == {"value": "30s", "origin": "default"}
    with open_transaction(one_database, WRITES):
        done = project.apply("--env", "prod")
    assert done.returncode == 1
    assert done.stderr.count("was undone") == 1
    assert "in 2 tries" in done.stdout


def test_a_lock_that_is_refused_at_once_is_tried_again_too(deployment: Deployment) -> None:
    """NOWAIT fails before anybody could look: who holds the table is looked up afterwards."""
    deployment.project.revision("a1", 'op.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE NOWAIT")')
    with open_transaction(deployment.database, WRITES) as writer:
        deployment.notes.when("was undone: it did not get public.orders", writer.commit)
        assert deployment.apply().result == "done"
    assert len(deployment.notes.saying("was undone")) == 1


def test_a_row_that_another_transaction_has_written_is_waited_for_by_its_table(deployment: Deployment) -> None:
    """A lock of a row names the table, the writer, and is tried again."""
    deployment.project.revision("a1", "op.execute(\"UPDATE orders SET note = 'x' WHERE id = 1\")")
    with open_transaction(deployment.database, WRITES) as writer:
        deployment.notes.when("was undone", writer.commit)
        assert deployment.apply().result == "done"
    assert deployment.notes.saying("waits for a row of table public.orders, 300ms at most:")


def test_what_is_committed_on_the_way_is_not_done_twice(deployment: Deployment) -> None:
    """A try after an autocommit block passes over what the first one has committed."""
    deployment.project.revision(
        "a1",
        "op.execute(\"INSERT INTO orders VALUES (3, 'three')\")\n"
        "with op.get_context().autocommit_block():\n"
        '    op.execute("CREATE INDEX CONCURRENTLY orders_note ON orders (note)")\n' + ADD,
    )
    with open_transaction(deployment.database) as writer:
        deployment.notes.when_sent("ALTER TABLE orders", lambda: writer.cursor().execute(WRITES))
        deployment.notes.when("was undone", writer.commit)
        assert deployment.apply().result == "done"
    assert len(deployment.notes.saying("was undone")) == 1
    assert deployment.database.execute("SELECT count(*) FROM orders WHERE id = 3") == [(1,)]
    assert columns(deployment.database) == ["id", "note", "total"]


def test_a_lock_that_a_deferred_constraint_waits_for(deployment: Deployment) -> None:
    """A foreign key that is looked at only at the end of the transaction waits, is told and tried again like others."""
    database = deployment.project.database
    database.execute("CREATE TABLE items (id int REFERENCES orders DEFERRABLE INITIALLY DEFERRED)")
    deployment.project.revision("a1", 'op.execute("INSERT INTO items VALUES (1)")')
    with open_transaction(database, "SELECT FROM orders WHERE id = 1 FOR UPDATE") as blocker:
        deployment.notes.when("was undone", blocker.commit)
        assert deployment.apply().result == "done"
    assert len(deployment.notes.saying("try 2 of")) == 1
    assert database.execute("SELECT id FROM items") == [(1,)]


def test_a_plain_alembic_that_runs_at_the_same_time_is_named(deployment: Deployment) -> None:
    """When Alembic's version table is locked, who holds it is named like who holds any other."""
    deployment.project.table("a1", "first")
    assert deployment.apply().result == "done"
    deployment.project.table("b2", "second", down="a1")
    with open_transaction(deployment.database, "UPDATE alembic_version SET version_num = 'b2'") as alembic:
        pid = pid_of(alembic)
        outcome = deployment.apply()
    assert outcome.result == "failed"
    assert outcome.error is not None
    assert "it did not get a row of table public.alembic_version, in 1 try; in the way: pid " in outcome.error
    assert outcome.cure is not None
    assert f"SELECT pg_terminate_backend({pid});" in outcome.cure


def test_a_signal_during_a_pause_stops_at_once(project: Project, one_database: Database) -> None:
    """A run that pauses before its next try ends as soon as it is told to."""
    project.config("execution: {lock_timeout: 1s, retry_delay: 10m, max_retry_delay: 10m}\n")
    project.revision("a1", ADD)
    waiting = "SELECT 1 FROM pg_locks WHERE relation = 'orders'::regclass AND NOT granted"
    with open_transaction(one_database, WRITES), project.deploying() as deployer:
        until(lambda: one_database.execute(waiting))
        until(lambda: not one_database.execute(waiting))
        sent = time.monotonic()
        deployer.signal(signal.SIGTERM)
        code, out, _ = deployer.ended()
        assert time.monotonic() - sent < 5
    assert code == 143
    assert "effect: Revision a1 was undone: nothing of it stays." in out.splitlines()
    assert columns(one_database) == ["id", "note"]
