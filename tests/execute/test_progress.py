"""Who watches a run decides nothing: neither a closed terminal nor a full disk ends it half way."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from erm_alembic.execute.progress import SilentProgress
from erm_alembic.migrate import apply
from erm_alembic.planning.model import Step, StepOutcome
from tests.faults.deploying import Project, tables, until
from tests.support.cli import erm_environment
from tests.support.databases import Database

HOLDS = 'op.execute("DO $$ BEGIN PERFORM pg_advisory_xact_lock(42); END $$")'


def deploy_and_close_terminal(project: Project, database: Database, before: Callable[[], None]) -> int:
    """Deploy on a terminal, close it while the second revision waits for the test, and let that one go on."""

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        before()

    project.table("a1", "first")
    project.revision("b2", f'op.create_table("second", sa.Column("id", sa.Integer))\n{HOLDS}', down="a1")
    project.table("c3", "third", down="b2")
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    controller, terminal = pty.openpty()
    with database.connect() as holder:
        cursor = holder.cursor()
        cursor.execute("SELECT pg_advisory_lock(42)")
        process = subprocess.Popen(
            [sys.executable, "-m", "erm_alembic", "migrate"],
            cwd=project.root,
            env=erm_environment({**project.environ(), "TERM": "xterm"}),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        try:
            os.close(terminal)
            until(lambda: database.execute(waiting))
            os.close(controller)
            until(lambda: not database.execute(waiting) or before is ignoring_hangup)
            cursor.execute("SELECT pg_advisory_unlock(42)")
            return process.wait(30)
        finally:
            process.kill()
            process.wait()


def ignoring_hangup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_a_closed_terminal_is_a_hangup(project: Project, one_database: Database) -> None:
    """Closing the terminal interrupts the run; its revision is rolled back, and the ledger says how it ended."""
    assert deploy_and_close_terminal(project, one_database, lambda: None) == 129
    (run,) = project.runs()
    assert (run["outcome"], run["error"]) == ("interrupted", "stopped by SIGHUP")
    assert [(each["revision"], each["outcome"]) for each in run["revisions"]] == [("a1", "done"), ("b2", "failed")]
    assert tables(one_database) == {"first", "alembic_version"}


def test_a_closed_terminal_does_not_end_a_run_that_ignores_hangups(project: Project, one_database: Database) -> None:
    """A run that was started with nohup goes on to its end without the terminal it wrote to."""
    deploy_and_close_terminal(project, one_database, ignoring_hangup)
    assert [run["outcome"] for run in project.runs()] == ["done"]
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}


def test_a_full_disk_under_stderr_stops_nothing(project: Project, one_database: Database) -> None:
    """A log that cannot be written to does not stop the run, nor what a revision prints."""
    project.table("a1", "first")
    project.revision("b2", 'print("moving")\nop.create_table("second", sa.Column("id", sa.Integer))', down="a1")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "erm_alembic", "migrate", "-v"],
            cwd=project.root,
            env=erm_environment(project.environ()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, "Done: 2 revisions applied" in done.stdout) == (0, True)
    assert tables(one_database) == {"first", "second", "alembic_version"}
    assert [run["outcome"] for run in project.runs()] == ["done"]


class Broken(SilentProgress):
    """A progress that fails at every step, and counts how often it was told of one."""

    told = 0

    def step_started(self, step: Step, number: int, total: int) -> None:
        self.told += 1
        raise OSError("the screen is gone")

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        self.told += 1


def test_a_progress_that_raises_is_told_no_more(
    project: Project, one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a caller's own progress raises neither fails the run nor is raised to him."""
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    broken = Broken()
    assert apply(progress=broken).outcome.result == "done"
    assert broken.told == 1
