"""The test fixtures themselves: what every other test stands on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import REPOSITORY, erm_environment
from tests.support.databases import Database, RunningServer

LEAKING_TEST = '''
def test_it_shows_a_secret(secret):
    """Prints what must not be printed."""
    print("the password is", secret)
'''


def test_a_database_is_fresh_and_of_the_servers_major(database: Database, postgres_server: RunningServer) -> None:
    """A test's database is empty and lives on a server of the major that the test asked for."""
    [(version, tables)] = database.execute(
        "SELECT current_setting('server_version_num')::int / 10000,"
        " (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
    )
    assert (version, tables) == (postgres_server.major, 0)


def test_parameters_reach_the_statement(one_database: Database) -> None:
    """Parameters are bound by the driver, a percent sign without parameters is left alone."""
    assert one_database.execute("SELECT %s || %s", "a%", "é") == [("a%é",)]
    assert one_database.execute("SELECT 7 % 4") == [(3,)]


def test_the_environment_is_clean() -> None:
    """No variable of the developer's chooses a database or a password in a test."""
    meant = ("ERM_PG_BIN", "ERM_NO_SHADOW")
    assert [name for name in os.environ if name.startswith(("ERM_", "PG")) and name not in meant] == []


def test_a_shown_secret_fails_the_run(tmp_path: Path) -> None:
    """A test that passes but prints an issued secret is reported as failed, and the report hides it."""
    folder = tmp_path / "leak"
    folder.mkdir()
    (folder / "test_leak.py").write_text(LEAKING_TEST, "utf-8")
    (folder / "conftest.py").write_text("from tests.conftest import *\n", "utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(folder),
            str(folder),
        ],
        cwd=REPOSITORY,
        env=erm_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "showed a secret during call" in done.stdout
    assert "the password is ***" in done.stdout
