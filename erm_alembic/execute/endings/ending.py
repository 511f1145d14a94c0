"""How a run ended, written to the ledger although the server or the network may be why it ended."""

from __future__ import annotations

import time

import psycopg2

from erm_alembic.errors import ErmError
from erm_alembic.execute.run import Course
from erm_alembic.ledger.store import Ledger, open_ledger
from erm_alembic.postgres.deploy_lock import lock_holder

__all__ = ["SILENCE_SECONDS", "write_end"]

# A server that restarts is back within this; a network that lets nothing through is given up after that.
RESTART_SECONDS = 5.0
AGAIN_SECONDS = 0.2
LATEST_RUNS = 10
# How long the ledger may take to answer once a run has ended.
SILENCE_SECONDS = 10.0
# By the beginning of the SQLSTATE: the connection, the server's own end or start, too many connections.
PASSING = ("08", "57P", "53300")


def write_end(course: Course, result: str, error: str | None) -> bool:
    """Write how a run ended, on the ledger's own connection or, where that died too, on a fresh one.

    Where it cannot be written, that is told; the next run then writes that this one ended without a word.

    Args:
        course: the run.
        result: `done`, `failed` or `interrupted`.
        error: what failed.

    Returns:
        Whether it was written; then the database has been asked what the run has done.
    """
    deadline = time.monotonic() + RESTART_SECONDS
    try:
        _write(course, course.ledger, result, error, deadline)
        return True
    except (ErmError, psycopg2.Error):
        pass
    while True:
        try:
            with open_ledger(course.run.target) as fresh:
                _write(course, fresh, result, error, deadline)
            return True
        except (ErmError, psycopg2.Error) as refusal:
            if time.monotonic() > deadline or not _may_pass(refusal):
                course.run.progress.note(
                    f"The end of run {course.run_id} could not be written to the ledger: {result}."
                )
                return False
        time.sleep(AGAIN_SECONDS)


def _write(course: Course, ledger: Ledger, result: str, error: str | None, deadline: float) -> None:
    with ledger.answered_within(SILENCE_SECONDS):
        if course.raw.closed:
            if not _let_go(course.backend_pid, ledger, deadline):
                course.run.progress.note(
                    f"Server process {course.backend_pid} still works on what it was sent: what becomes of that is not "
                    "known yet. `erm status` tells it later."
                )
            course.agree_with(_done_by(course.run_id, ledger))
        failed = None if result == "done" else course.failed_row(error or result)
        ledger.finish_run(course.run_id, result, error, failed)


def _let_go(backend_pid: int, ledger: Ledger, deadline: float) -> bool:
    """Whether the server process of a lost connection has ended: it may be in the middle of a commit until then."""
    with ledger.connection.cursor() as cursor:
        while (holder := lock_holder(cursor)) is not None and holder.pid == backend_pid:
            if time.monotonic() > deadline:
                return False
            time.sleep(AGAIN_SECONDS)
    return True


def _done_by(run_id: int, ledger: Ledger) -> frozenset[str]:
    """The revisions that the ledger has as done by a run; the deploy lock may be another's by now."""
    latest = ledger.runs(LATEST_RUNS)
    return frozenset(
        each.revision for run in latest if run.id == run_id for each in run.revisions if each.outcome == "done"
    )


def _may_pass(error: ErmError | psycopg2.Error) -> bool:
    """Whether another try may go better: the server could not be reached, or was on its way down or up."""
    cause = error if isinstance(error, psycopg2.Error) else error.__cause__
    return isinstance(cause, psycopg2.Error) and (cause.pgcode is None or cause.pgcode.startswith(PASSING))
