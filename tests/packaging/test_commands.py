"""The commands of a checkout: the Makefile and the scripts that it calls."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import REPOSITORY


def test_help_lists_every_command_of_the_makefile() -> None:
    """`make help` shows each target that a person calls, with a sentence about it."""
    # The tests may themselves run under make, which then announces the folders that it enters.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "help"], cwd=REPOSITORY, env=outside, capture_output=True, text=True, check=True)
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, flags=re.MULTILINE)) - {"venv", "venv-demo"}
    assert {"demo", "test", "lint", "types", "contracts", "build", "bench", "clean"} <= targets
    assert {line.split()[1] for line in done.stdout.splitlines()} == targets


@pytest.mark.parametrize("script", ["run", "set-up", "smoke-wheel", "without-postgresql"])
def test_the_scripts_can_be_run_and_are_valid_shell(script: str) -> None:
    """Each is executable and parses."""
    path = REPOSITORY / ".ci" / script
    assert path.stat().st_mode & stat.S_IXUSR
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """A checkout with the set-up script only, and a folder `bin` that is all of PATH."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(REPOSITORY / ".ci" / "set-up", tmp_path / ".ci")
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    (tmp_path / "bin").mkdir()
    for program in ("sh", "dirname", "cksum", "cat", "rm"):
        found = shutil.which(program)
        assert found is not None
        (tmp_path / "bin" / program).symlink_to(found)
    return tmp_path


def set_up(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Run the set-up script with nothing but `bin` on PATH."""
    return subprocess.run(
        ["sh", ".ci/set-up", "dev"],
        cwd=checkout,
        env={"PATH": str(checkout / "bin")},
        executable=shutil.which("sh"),
        capture_output=True,
        text=True,
        check=False,
    )


def python_that(checkout: Path, script: str) -> None:
    """Put a stand-in for python3 on the PATH."""
    path = checkout / "bin" / "python3"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_no_python_at_all_is_said(bare_checkout: Path) -> None:
    """The message says which Python is needed and how to name one."""
    done = set_up(bare_checkout)
    assert done.returncode != 0
    assert done.stderr == "No python3 is on PATH. Install Python 3.11 or newer, or say PYTHON=/path/to/python.\n"


def test_an_old_python_is_said_with_its_version(bare_checkout: Path) -> None:
    """A python3 that is too old is named, and no virtual environment is begun."""
    python_that(bare_checkout, 'case "$2" in *print*) echo 3.9.2 ;; *) exit 1 ;; esac')
    done = set_up(bare_checkout)
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed; python3 here is 3.9.2." in done.stderr
    assert not (bare_checkout / ".venv").exists()


def test_a_python_without_venv_is_said_with_the_cure(bare_checkout: Path) -> None:
    """Debian ships python3 without ensurepip: the package to install is named."""
    python_that(bare_checkout, 'case "$2" in *ensurepip*) exit 1 ;; *) exit 0 ;; esac')
    done = set_up(bare_checkout)
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr
