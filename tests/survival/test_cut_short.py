"""A signal, a reset network, an ended session at any moment: in the ledger, and picked up by the next run."""

from __future__ import annotations

import os
import random
import signal

import pytest

from tests.faults.deploying import Project
from tests.faults.network import Network
from tests.support.databases import Database
from tests.survival.conftest import Clean, ends_like_a_clean_run
from tests.survival.killing import Blow, choose_moment, converse

ROUNDS = int(os.environ.get("ERM_SURVIVAL_ROUNDS", "20")) // 10
SEED = int(os.environ.get("ERM_SURVIVAL_SEED", "1"))


def terminate(pid: int, _network: Network) -> None:
    """Ask the process to end."""
    os.kill(pid, signal.SIGTERM)


def reset(_pid: int, network: Network) -> None:
    """Reset every connection; new ones get through."""
    network.cut(for_good=False)


def end_session(database: Database) -> Blow:
    """Let the server end the migration's session."""

    def end(_pid: int, _network: Network) -> None:
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'erm apply'"
        )

    return end


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("means", ["signal", "reset", "ended"])
def test_a_run_that_is_cut_short(means: str, number: int, clean: Clean, one_database: Database) -> None:
    """Cut short at a random message, a run ends in words, with its exit code and, where it had begun, its end in the
    ledger; the next plain apply ends like a run that nothing disturbed."""
    chance = random.Random(f"{SEED}-{means}-{number}")
    project = Project(clean.root, one_database)
    moment = choose_moment(chance, clean.first, clean.last)
    blow = {"signal": terminate, "reset": reset, "ended": end_session(one_database)}[means]
    ended, heard = converse(project, one_database, moment, blow)
    print(f"ERM_SURVIVAL_SEED={SEED}, round {number}, {means}\n{moment} of {clean.last}: {heard.last[:300]!r}\n{ended}")
    # A process that is over and about to leave has given up its handlers already.
    codes = (0, 143, -signal.SIGTERM) if means == "signal" else (0, 1)
    assert ended.code in codes
    assert "defect" not in ended.err
    ledger = one_database.execute("SELECT to_regclass('erm.run') IS NOT NULL")
    if ledger == [(True,)]:
        # A signal may also come when the run's end is on record already.
        meant = {0: ("done",), 1: ("failed",), 143: ("interrupted", "done"), -signal.SIGTERM: ("done",)}[ended.code]
        told = [outcome for (outcome,) in one_database.execute("SELECT outcome FROM erm.run")]
        assert len(told) <= 1 and set(told) <= set(meant)
    ends_like_a_clean_run(project, one_database, clean)
