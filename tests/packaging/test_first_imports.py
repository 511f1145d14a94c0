"""Whichever part of the package a process imports first, it can be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import erm_alembic
from erm_alembic.cli.main import COMMANDS
from tests.support.cli import erm_environment

# Alembic would import its plugin of erm's, which would be the first then.
PROGRAM = """
import importlib, os, sys
import psycopg2, pydantic, sqlalchemy.dialects.postgresql.psycopg2, typer, yaml
assert not any(name.startswith("erm_alembic") for name in sys.modules)
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        importlib.import_module(name)
        sys.exit()
    if os.waitpid(child, 0)[1]:
        sys.exit(name)
"""


def test_each_command_and_each_module_at_the_top_can_be_the_first() -> None:
    """No import is circular, by whichever door a process comes in."""
    folder = Path(str(erm_alembic.__file__)).parent
    top = [f"erm_alembic.{path.stem}" for path in folder.glob("*.py") if not path.stem.startswith("__")]
    doors = ["erm_alembic.cli.main", *(command.module for command in COMMANDS), *sorted(top)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *doors],
        env=erm_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
