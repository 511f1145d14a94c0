"""Ctrl-C and SIGTERM: the statement is cancelled, the revision rolled back, the lock released, the ledger written."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from erm_alembic.execute.run import Course
from erm_alembic.ledger.store import Ledger
from erm_alembic.migrate import apply
from tests.faults.deploying import SLEEPS, Project, advisory_locks, sleeping, tables, until
from tests.support.databases import Database

STOPS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
AT_ONCE = 5.0


def two_revisions(project: Project, second: str = SLEEPS) -> None:
    """The first revision works, the second one writes and then sleeps."""
    project.table("a1", "first")
    project.revision(
        "b2", f'op.execute("CREATE TABLE second (id int)")\n{second}', 'op.drop_table("second")', down="a1"
    )


def free_and_rolled_back(database: Database) -> None:
    """What must hold after every interruption: no lock, no statement, nothing of the second revision."""
    until(lambda: advisory_locks(database) == 0 and not sleeping(database))
    assert tables(database) == {"first", "alembic_version"}
    assert database.execute("SELECT version_num FROM alembic_version") == [("a1",)]


@STOPS
def test_a_signal_during_a_statement_ends_the_run_at_once(
    number: int, code: int, project: Project, one_database: Database
) -> None:
    """A signal cancels the statement, rolls its revision back, keeps the earlier one, and is in the ledger."""
    two_revisions(project)
    with project.deploying() as deployer:
        until(lambda: sleeping(one_database))
        sent = time.monotonic()
        deployer.signal(number)
        got, out, _ = deployer.ended()
        assert time.monotonic() - sent < AT_ONCE
    assert got == code
    assert "Interrupted after" in out
    assert f"stopped by {signal.Signals(number).name}" in out
    assert "The database is now at a1." in out
    free_and_rolled_back(one_database)
    (run,) = project.runs()
    assert (run["outcome"], run["error"]) == ("interrupted", f"stopped by {signal.Signals(number).name}")
    assert run["finished_at"] is not None
    assert [(each["revision"], each["outcome"]) for each in run["revisions"]] == [("a1", "done"), ("b2", "failed")]


def test_impatience_loses_nothing(project: Project, one_database: Database) -> None:
    """Ctrl-C pressed again and again still ends in a rolled back revision and a finished run."""
    two_revisions(project)
    with project.deploying() as deployer:
        until(lambda: sleeping(one_database))
        while deployer.still_runs():
            deployer.signal(signal.SIGINT)
            time.sleep(0.005)
        # The last one may hit the interpreter as it ends, in its own words; a shell reports 130 for both.
        code, _, _ = deployer.ended(quiet=False)
        assert code in (130, -signal.SIGINT)
    free_and_rolled_back(one_database)
    assert [run["outcome"] for run in project.runs()] == ["interrupted"]


def test_a_revision_that_swallows_everything_is_stopped_too(project: Project, one_database: Database) -> None:
    """A bare except around the cancelled statement does not let the revision go on."""
    second = f"try:\n    {SLEEPS}\nexcept BaseException:\n    pass\nop.get_bind().connection.rollback()\n{SLEEPS}"
    two_revisions(project, second)
    with project.deploying() as deployer:
        until(lambda: sleeping(one_database))
        deployer.signal(signal.SIGINT)
        assert deployer.ended(AT_ONCE * 2)[0] == 130
    free_and_rolled_back(one_database)


def test_an_env_py_that_swallows_everything_is_stopped_too(project: Project, one_database: Database) -> None:
    """An env.py with a bare except around run_migrations() does not turn an interruption into success."""
    two_revisions(project)
    project.env_py(
        "from alembic import context\n"
        "context.configure(dialect_name='postgresql')\n"
        "try:\n"
        "    with context.begin_transaction():\n"
        "        context.run_migrations()\n"
        "except BaseException:\n"
        "    pass\n"
    )
    with project.deploying() as deployer:
        until(lambda: sleeping(one_database))
        deployer.signal(signal.SIGTERM)
        assert deployer.ended()[0] == 143
    free_and_rolled_back(one_database)
    assert [run["outcome"] for run in project.runs()] == ["interrupted"]


@STOPS
def test_a_signal_while_planning_changes_nothing(
    number: int, code: int, project: Project, one_database: Database
) -> None:
    """A signal while a plan reads cancels the read; neither the application's schema nor the ledger exists."""
    project.revision("a1", 'op.get_bind().execute(sa.text("SELECT pg_sleep(600)"))')
    with project.deploying() as deployer:
        until(lambda: sleeping(one_database))
        sent = time.monotonic()
        deployer.signal(number)
        got, out, err = deployer.ended()
        assert time.monotonic() - sent < AT_ONCE
    assert (got, out) == (code, "")
    assert err.splitlines() == [
        f"error:  Interrupted by {signal.Signals(number).name} while planning.",
        "effect: Nothing was changed.",
        "cure:   Run the command again.",
    ]
    assert tables(one_database) == set()
    assert one_database.execute("SELECT FROM pg_namespace WHERE nspname = 'erm'") == []
    until(lambda: not sleeping(one_database))


def test_a_signal_while_waiting_for_the_lock_changes_nothing(project: Project, one_database: Database) -> None:
    """Whoever stops waiting for the lock leaves no trace, and the holder goes on."""
    two_revisions(project)
    with project.deploying() as holder:
        until(lambda: sleeping(one_database))
        with project.deploying("--wait", "5m") as waiter:
            assert waiter.process.stderr is not None
            assert waiter.process.stderr.readline().startswith("Waiting for the deploy lock, held by pid ")
            waiter.signal(signal.SIGINT)
            got, out, err = waiter.ended(AT_ONCE)
        assert (got, out) == (130, "")
        assert err.splitlines()[0] == "error:  Interrupted by SIGINT."
        assert holder.still_runs()
        holder.signal(signal.SIGINT)
        holder.ended()
    assert len(project.runs()) == 1


def test_a_thread_deploys_without_signals(
    project: Project, one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python callers may deploy from a thread, where no signal can be handled; the handlers stay as they were."""
    project.table("a1", "first")
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(apply).result(30).outcome.result == "done"
    assert apply().outcome.result == "nothing-to-do"
    assert signal.getsignal(signal.SIGINT) is before
    assert tables(one_database) == {"first", "alembic_version"}


def test_a_signal_that_was_ignored_stays_ignored(project: Project, one_database: Database) -> None:
    """A deployment that was started with nohup survives the end of its terminal."""
    two_revisions(project)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with project.deploying() as deployer:
            until(lambda: sleeping(one_database))
            deployer.signal(signal.SIGHUP)
            one_database.execute("SELECT pg_cancel_backend(%s)", sleeping(one_database)[0][0])
            code, out, _ = deployer.ended()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (code, "canceling statement due to user request (SQLSTATE 57014)" in out) == (1, True)
    assert [run["outcome"] for run in project.runs()] == ["failed"]


def interrupting(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with a first Ctrl-C just behind its work."""

    def interrupted(*args: Any, **kw: Any) -> Any:
        answer = function(*args, **kw)
        os.kill(os.getpid(), signal.SIGINT)
        return answer

    return interrupted


@pytest.mark.parametrize("place", [(Ledger, "start_run"), (Course, "where_it_failed")])
def test_a_signal_before_the_first_step_or_after_the_last_one_is_an_end(
    place: tuple[type, str], project: Project, one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its number on, a run that is stopped ends in the ledger, and tells what is done, whenever that is."""
    project.table("a1", "first")
    project.revision("b2", "op.execute('SELECT 1 / 0')", down="a1")
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    monkeypatch.setattr(*place, interrupting(getattr(*place)))
    outcome = apply().outcome
    done = ["a1"] if place[1] == "where_it_failed" else []
    assert (outcome.result, outcome.signal_number, list(outcome.current)) == ("interrupted", signal.SIGINT, done)
    (run,) = project.runs()
    assert (run["outcome"], run["error"]) == ("interrupted", "stopped by SIGINT")
    assert [each["revision"] for each in run["revisions"] if each["outcome"] == "done"] == done
