"""Three deployers at once: each revision runs exactly once, and nothing deadlocks."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.deploying import Project
from tests.support.databases import Database
from tests.survival.history import revisions, write_history

ROUNDS = int(os.environ.get("ERM_SURVIVAL_ROUNDS", "20")) // 5
SEED = int(os.environ.get("ERM_SURVIVAL_SEED", "1"))
DEPLOYERS = 3


@pytest.mark.parametrize("number", range(ROUNDS))
def test_three_at_once(number: int, tmp_path: Path, one_database: Database) -> None:
    """Of three deployers that start together each waits its turn: all end well, each revision ran exactly once, and the
    server saw no deadlock between a concurrent index and those who waited."""
    chance = random.Random(f"{SEED}-{number}")
    print(f"ERM_SURVIVAL_SEED={SEED}, round {number}")
    project = Project(tmp_path, one_database)
    write_history(project)
    log = one_database.server.log_path
    seen = log.stat().st_size
    with ExitStack() as stack:
        orders = [("--to", chance.choice(revisions())) if chance.random() < 0.3 else () for _ in range(DEPLOYERS - 1)]
        deployers = [stack.enter_context(project.deploying("--wait", "60s", *order)) for order in ((), *orders)]
        ends = [deployer.ended(120) for deployer in deployers]
    told = [err + out for code, out, err in ends if code != 0]
    assert [code for code, _, _ in ends] == [0] * DEPLOYERS, told
    ran = one_database.execute("SELECT revision, outcome, count(*) FROM erm.revision GROUP BY 1, 2 ORDER BY 1")
    assert ran == [(revision, "done", 1) for revision in sorted(revisions())]
    assert one_database.execute("SELECT FROM erm.run WHERE outcome IS DISTINCT FROM 'done'") == []
    assert one_database.execute("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid") == []
    with log.open("rb") as stream:
        stream.seek(seen)
        assert b"deadlock detected" not in stream.read()
