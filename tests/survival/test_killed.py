"""kill -9 at any moment: a plain `erm migrate` then ends where a run that nobody killed ends."""

from __future__ import annotations

import os
import random
import signal

import pytest

from tests.faults.deploying import Project
from tests.support.databases import Database
from tests.survival.conftest import Clean, ends_like_a_clean_run
from tests.survival.killing import choose_moment, converse

ROUNDS = int(os.environ.get("ERM_SURVIVAL_ROUNDS", "20"))
SEED = int(os.environ.get("ERM_SURVIVAL_SEED", "1"))
KILLED_AGAIN = 0.25


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_killed_run_is_picked_up(number: int, clean: Clean, one_database: Database) -> None:
    """Killed at a random message, sometimes twice, the next plain apply ends at head, with the same catalog and rows,
    each revision done once, every run with an end and nothing left over."""
    seed = f"{SEED}-{number}"
    chance = random.Random(seed)
    project = Project(clean.root, one_database)
    told = [f"ERM_SURVIVAL_SEED={SEED}, round {number}"]
    for _ in range(2 if chance.random() < KILLED_AGAIN else 1):
        moment = choose_moment(chance, clean.first, clean.last)
        ended, heard = converse(project, one_database, moment)
        assert ended.code in (0, -signal.SIGKILL), ended
        told.append(f"{moment}: exit {ended.code}, of {clean.last} messages; the last one: {heard.last[:300]!r}")
    print(*told, sep="\n")
    ends_like_a_clean_run(project, one_database, clean)
