"""What a project prints by any way never reaches the result on stdout."""

from __future__ import annotations

import json

import pytest

from tests.faults.deploying import Project

PRINTS = (
    "import os, sys; os.system('echo system'); os.write(1, b'written'); sys.__stdout__.write('kept'); print('said')"
)


def test_json_is_only_json_whatever_a_revision_writes(project: Project) -> None:
    """Programs that a revision starts, and its own file descriptor writes, go to stderr."""
    path = project.table("a1", "first")
    path.write_text(path.read_text().replace("def upgrade", f"{PRINTS}\n\n\ndef upgrade", 1))
    done = project.apply("--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"]["result"] == "done"


@pytest.mark.parametrize("option", ["--to", "--env"])
def test_an_empty_value_is_not_all_of_it(option: str, project: Project) -> None:
    """A variable that a job forgot to set deploys nothing."""
    project.table("a1", "first")
    done = project.apply(option, "")
    assert (done.returncode, f"{option} is empty." in done.stderr) == (2, True)
