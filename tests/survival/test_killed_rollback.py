"""kill -9 at any moment of a rollback: the same rollback then ends where one that nobody killed ends."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator

import pytest

from tests.faults.deploying import Project
from tests.support.databases import Database, RunningServer, fresh_database
from tests.survival.conftest import Clean
from tests.survival.killing import ROLLBACK, choose_moment, converse, kill
from tests.survival.state import state_of

ROUNDS = int(os.environ.get("ERM_SURVIVAL_ROUNDS", "20")) // 5
SEED = int(os.environ.get("ERM_SURVIVAL_SEED", "1"))


@pytest.fixture(scope="module")
def rolled_back(clean: Clean, newest_server: RunningServer) -> Iterator[Clean]:
    """The history, deployed and rolled back to its base, and left alone."""
    with fresh_database(newest_server) as database:
        project = Project(clean.root, database)
        assert project.apply().returncode == 0
        ended, heard = converse(project, database, None, order=ROLLBACK)
        assert ended.code == 0, ended
        yield Clean(clean.root, state_of(database), heard.locked_at, heard.sent)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_killed_rollback_is_picked_up(number: int, rolled_back: Clean, one_database: Database) -> None:
    """Killed at a random message, a rollback that is asked for again ends at the base, with the catalog and the rows of
    one that nobody killed."""
    chance = random.Random(f"{SEED}-back-{number}")
    project = Project(rolled_back.root, one_database)
    assert project.apply().returncode == 0
    moment = choose_moment(chance, rolled_back.first, rolled_back.last)
    ended, heard = converse(project, one_database, moment, kill, ROLLBACK)
    assert ended.code in (0, -signal.SIGKILL), ended
    print(f"ERM_SURVIVAL_SEED={SEED}, round {number}\n{moment} of {rolled_back.last}: {heard.last[:300]!r}")
    done = project.apply(*ROLLBACK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert state_of(one_database) == rolled_back.state
    assert one_database.execute("SELECT id FROM erm.run WHERE outcome IS NULL") == []
    assert one_database.execute("SELECT * FROM erm.progress") == []
