"""kill -9 at any moment: a plain `erm migrate` then ends where a run that nobody killed ends."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.deploying import Project
from tests.support.databases import Database, RunningServer, fresh_database
from tests.survival.history import revisions, write_history
from tests.survival.killing import choose_moment, converse
from tests.survival.state import State, state_of

ROUNDS = int(os.environ.get("ERM_SURVIVAL_ROUNDS", "20"))
SEED = int(os.environ.get("ERM_SURVIVAL_SEED", "1"))
KILLED_AGAIN = 0.25


@dataclass(frozen=True)
class Clean:
    """A run that nobody killed.

    Args:
        root: the project.
        state: what the database holds in the end.
        first: the number of the first message under the deploy lock.
        last: the number of the last message.
    """

    root: Path
    state: State
    first: int
    last: int


@pytest.fixture(scope="module")
def clean(newest_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clean]:
    """The history, deployed once without a kill."""
    if not newest_server.binaries.program("pg_dump").exists():
        pytest.skip("this PostgreSQL has no pg_dump to compare catalogs with")
    root = tmp_path_factory.mktemp("killed")
    with fresh_database(newest_server) as database:
        project = Project(root, database)
        write_history(project)
        code, heard = converse(project, database, None)
        assert code == 0
        yield Clean(root, state_of(database), heard.locked_at, heard.sent)


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
        code, heard = converse(project, one_database, moment)
        told.append(f"{moment}: exit {code}, of {clean.last} messages; the last one: {heard.last[:300]!r}")
    print(*told, sep="\n")
    done = project.apply("--mode", "apply", "--wait", "60s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert state_of(one_database) == clean.state
    applied = one_database.execute(
        "SELECT revision, count(*) FROM erm.revision WHERE outcome = 'done' GROUP BY 1 ORDER BY 1"
    )
    assert applied == [(revision, 1) for revision in sorted(revisions())]
    assert one_database.execute("SELECT id FROM erm.run WHERE outcome IS NULL") == []
    assert one_database.execute("SELECT * FROM erm.progress") == []
