"""Patroni as a program: installed where the user that PostgreSQL runs as can reach it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.process_user import ServerUser, choose_user, run_as

__all__ = ["REQUIREMENT", "Program", "installed_patroni"]

# Raft is Patroni's own store of state: three members are three voters, and nothing else has to run.
REQUIREMENT = "patroni[raft]>=4.1,<5"
DRIVER = "psycopg2-binary>=2.9.10"


@dataclass(frozen=True)
class Program:
    """Patroni, as it is installed.

    Args:
        python: runs it.
        folder: its packages.
    """

    python: Path
    folder: Path


@contextmanager
def installed_patroni() -> Iterator[Program]:
    """Patroni in a folder of its own, which is removed in the end; for a Python that `choose_user()` can run."""
    python = _python_for(choose_user())
    folder = Path(tempfile.mkdtemp(prefix="erm-patroni-program-", dir="/tmp"))
    try:
        folder.chmod(0o755)
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", folder, REQUIREMENT, DRIVER], check=True, stderr=subprocess.DEVNULL)
        yield Program(python, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _python_for(user: ServerUser) -> Path:
    """A Python that a user can run: the one of a project of root's is mostly none."""
    names = [f"python3.{minor}" for minor in range(14, 9, -1)]
    found = [shutil.which(name, path=f"/usr/bin:/usr/local/bin:{os.environ.get('PATH', '')}") for name in names]
    for each in (str(Path(sys.executable).resolve()), *found):
        with contextlib.suppress(ServerError):
            if each is not None and run_as(user, [each, "-c", "import ssl"]) == 0:
                return Path(each)
    raise SystemExit(f"There is no Python that {user.name} can run.")
