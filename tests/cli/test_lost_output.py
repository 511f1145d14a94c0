"""Where the output goes may be full or closed; what the command did is said all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.deploying import Project
from tests.support.cli import erm_environment
from tests.support.databases import Database


def _shell(redirection: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = f'exec "$0" -m erm_alembic config schema {redirection}'
    return subprocess.run(
        ["sh", "-c", command, sys.executable],
        cwd=cwd,
        env=erm_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_an_error_with_words(tmp_path: Path) -> None:
    """Exit 1, no traceback, no defect: the result could not be written."""
    done = _shell("> /dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error:  The result cannot be written to stdout: No space left on device."
    assert "Traceback" not in done.stderr and "defect" not in done.stderr


@pytest.mark.parametrize("redirection", [">&-", "2>&-"])
def test_a_closed_stream_is_one_that_nobody_wants(redirection: str, tmp_path: Path) -> None:
    """A caller that closed stdout or stderr gets the work done in silence."""
    done = _shell(redirection, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "code"),
    [("config schema", 141), ("migrate --mode plan --check", 3), ("migrate --mode plan --out p.json", 0)],
)
def test_a_reader_who_has_read_enough_is_no_error(
    command: str, code: int, one_database: Database, tmp_path: Path
) -> None:
    """A command ends as by SIGPIPE, in silence; a migration as if all of it were read, with the plan that it keeps."""
    project = Project(tmp_path / "project", one_database, env={"ERM_NO_SHADOW": "1"})
    project.table("a1", "first")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write) as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "erm_alembic", *command.split()],
            cwd=project.root,
            env=erm_environment(project.environ()),
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == code, done.stderr
    assert not {"Traceback", "BrokenPipe", "error:"} & set(done.stderr.split())
    assert (project.root / "p.json").exists() is ("--out" in command)
