"""Runs of pytest with the plugin, as an application's tests would be run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED) (?:\[\d+\] )?(\S+)(?: - (.*))?$", re.MULTILINE)
# What the application has no use for; Hypothesis takes a third of a second to load.
LEFT_OUT = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
# What pytest-xdist puts before it.
WORKER = re.compile(r"^\[gw\d+\].*\n")


@dataclass(frozen=True)
class Run:
    """What a run of pytest said.

    Args:
        code: its exit code.
        out: what it said on stdout.
        err: what it said on stderr.
    """

    code: int
    out: str
    err: str

    def outcome(self, test: str) -> str:
        """How a test ended, by its name with its parameters; a fixture that fails at last is an error of it."""
        found = {kind for kind, name, _ in OUTCOME.findall(self.out) if name.endswith(f"::{test}")}
        return next((kind for kind in ("ERROR", "FAILED", "PASSED", "SKIPPED") if kind in found), "not run")

    def told(self, test: str) -> str:
        """What stands beneath a test's headline among errors and failures, up to the next headline."""
        found = re.search(rf"^_+ (?:ERROR at \w+ of )?{re.escape(test)} _+\n(.*?)^[_=]{{3}}", self.out, re.M | re.S)
        return WORKER.sub("", found[1].strip()) if found else ""


def tried(folder: Path, *arguments: str, **variables: str) -> Run:
    """Run the tests of a folder in a process of their own, however they end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | variables
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "erm_alembic.testing", *LEFT_OUT, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def run_pytest(folder: Path, *arguments: str) -> str:
    """Run the tests of a folder in a process of their own; what pytest said, where all passed."""
    done = tried(folder, *arguments)
    assert done.code == 0, done.out + done.err
    return done.out
