"""A release that is killed at any moment goes on, again and again, until each of its stages has been done."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.faults.deploying import Project
from tests.release.conftest import Released
from tests.support.databases import Database

ROUNDS = int(os.environ.get("ERM_SURVIVAL_ROUNDS", "20")) // 20
SEED = int(os.environ.get("ERM_SURVIVAL_SEED", "1"))
# How long a release takes here, in seconds, a little more than that.
LONGEST = 1.2
KILLS = 3


@pytest.mark.parametrize("number", range(ROUNDS))
def test_it_goes_on_wherever_it_was_killed(one_database: Database, tmp_path: Path, number: int) -> None:
    """Three kills at moments that nobody chose; then every revision is applied, and every stage has ended well."""
    chosen = random.Random(SEED * 10_000 + number)
    project = Project(tmp_path, one_database)
    project.table("a1", "first")
    concurrently = """
        with op.get_context().autocommit_block():
            op.create_index("first_id", "first", ["id"], postgresql_concurrently=True)
    """
    project.revision("b2", concurrently, 'op.drop_index("first_id")', down="a1")
    project.table("c3", "third", down="b2")
    released = Released(project, one_database)
    released.config({"stages": {"warm": {"after": "apply", "run": ["sh", "-c", "echo x >> warmed"]}}})
    moments = []
    for _ in range(KILLS):
        moments.append(chosen.uniform(0, LONGEST))
        words = ("release", *(("resume",) if _has_begun(released) else ()))
        with project.running(*words, "--env", "prod") as deployer:
            try:
                deployer.process.wait(moments[-1])
            except subprocess.TimeoutExpired:
                deployer.kill()
    told = f"seed {SEED}, round {number}, killed after {moments}"
    done = released.erm("resume") if _has_begun(released) else released.erm()
    ended = released.outcomes()
    assert done.returncode == 0 or ended[-1] == "done", f"{told}\n{done.stdout}{done.stderr}"
    assert set(ended) <= {"done", "superseded"} and ended.count("done") == 1, told
    assert released.current() == ["c3"], told
    finished = [name for name, outcome in released.stages() if outcome in ("done", "nothing-to-do")]
    assert len(finished) == len(set(finished)), told
    assert finished[-1] == "report", told
    valid = "SELECT count(*) FROM pg_index WHERE indexrelid = 'first_id'::regclass AND indisvalid"
    assert one_database.execute(valid) == [(1,)], told


def _has_begun(released: Released) -> bool:
    if released.database.execute("SELECT to_regclass('erm.release_stage') IS NULL")[0][0]:
        return False
    return bool(released.database.execute("SELECT count(*) FROM erm.release")[0][0])
