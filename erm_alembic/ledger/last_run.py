"""The latest run, told apart: it ended, it is running, or it ended without a word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from erm_alembic.ledger.model import RunRecord
from erm_alembic.ledger.store import Ledger

__all__ = ["LastRun", "read_last_run"]


@dataclass(frozen=True)
class LastRun:
    """The latest run.

    Args:
        run: what the ledger has of it.
        state: `ended`; `running`: its own server process holds the deploy lock; `died`: it ended without a word.
        last_sign: when something is last known of it, with time zone.
    """

    run: RunRecord
    state: Literal["ended", "running", "died"]
    last_sign: datetime


def read_last_run(ledger: Ledger) -> LastRun | None:
    """The latest run; None where the ledger has none.

    Args:
        ledger: the ledger of a database.
    """
    runs = ledger.runs(limit=1)
    if not runs:
        return None
    (run,) = runs
    if run.outcome is not None:
        return LastRun(run, "ended", run.finished_at or run.started_at)
    deployer = ledger.deployer()
    running = deployer is not None and deployer.pid == run.backend_pid
    return LastRun(run, "running" if running else "died", _last_sign(run, ledger))


def _last_sign(run: RunRecord, ledger: Ledger) -> datetime:
    revisions = [each.started_at + timedelta(milliseconds=each.duration_ms) for each in run.revisions]
    statements = [statement.at for half in ledger.half_done() if half.run_id == run.id for statement in half.statements]
    return max([run.started_at, *revisions, *statements])
