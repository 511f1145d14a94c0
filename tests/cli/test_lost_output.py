"""Where the output goes may be full or closed; what the command did is said all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import erm_environment


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
