"""`erm dev` as it is typed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from erm_alembic.postgres.deploy_lock import acquire_deploy_lock
from erm_alembic.postgres.embedded.server import EmbeddedServer
from tests.support.cli import erm_environment, run_erm

CONFIGURATION = """\
database:
  environments:
    dev: {url: "embedded://shop%20dev"}
    staging: {url: "postgresql://app@db.invalid/app"}
"""


@pytest.fixture
def configured(project: Path) -> Path:
    """A project with an embedded profile and another one."""
    (project / "erm.yaml").write_text(CONFIGURATION, "utf-8")
    return project


@pytest.mark.parametrize("command", ["start", "url", "psql"])
def test_a_folder_that_is_no_project_gets_no_server(command: str, tmp_path: Path) -> None:
    """Without erm.yaml and without an Alembic project nothing is started, and nothing is written."""
    done = run_erm("dev", command, cwd=tmp_path)
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (1, "", [])
    assert f"{tmp_path} is no project" in done.stderr and "effect: Nothing was started." in done.stderr


def answer_on_a_terminal(project: Path, answer: bytes) -> tuple[int, str]:
    """Run `erm dev reset` on a terminal, type an answer; the exit code and what was printed."""
    master, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "erm_alembic", "dev", "reset"],
            cwd=project,
            env=erm_environment(),
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.write(master, answer + b"\n")
        output, _ = process.communicate(timeout=60)
        return process.returncode, output
    finally:
        os.close(master)
        os.close(terminal)


def test_start_status_url_stop(configured: Path) -> None:
    """The server is started with the profile's database, described, addressed and stopped."""
    assert run_erm("dev", "status", cwd=configured).stdout == ("no server: nothing was started in this project yet\n")
    started = run_erm("dev", "start", cwd=configured)
    assert started.returncode == 0, started.stderr
    assert "running (process " in started.stdout
    status = json.loads(run_erm("dev", "status", "--format", "json", cwd=configured).stdout)
    assert status["running"] is True
    assert status["data_dir"] == str(configured / ".erm" / "postgres" / "data")
    url = run_erm("dev", "url", cwd=configured).stdout.strip()
    connection = psycopg2.connect(url)
    assert connection.info.dbname == "shop dev"
    connection.close()
    assert run_erm("dev", "stop", cwd=configured).stdout == "The server is stopped.\n"
    assert run_erm("dev", "stop", cwd=configured).stdout == "The server was not running.\n"


def test_a_deployment_is_not_cut_off_without_yes(configured: Path) -> None:
    """Whoever stops the server is told who deploys to which of its databases, and has to insist."""
    url = run_erm("dev", "url", cwd=configured).stdout.strip()
    with contextlib.closing(psycopg2.connect(url, application_name="erm apply")) as connection:
        connection.autocommit = True
        acquire_deploy_lock(connection, 0, print)
        refused = run_erm("dev", "stop", cwd=configured)
        assert (refused.returncode, refused.stdout) == (1, "")
        lines = refused.stderr.splitlines()
        assert (
            lines[0].startswith("error:  The server is deployed to: shop dev, by pid ") and "(erm apply, " in lines[0]
        )
        assert lines[1:] == [
            "effect: Nothing was stopped.",
            "cure:   Wait until that has ended, or cut it off: erm dev stop --yes",
        ]
        assert run_erm("dev", "stop", "--yes", cwd=configured).stdout == "The server is stopped.\n"


def test_it_works_below_the_project(configured: Path) -> None:
    """In a folder below erm.yaml, the project's server is meant."""
    below = configured / "app"
    below.mkdir()
    assert run_erm("dev", "start", cwd=below).returncode == 0
    assert EmbeddedServer(configured).status().running
    assert not (below / ".erm").exists()


def test_without_a_configuration(project: Path) -> None:
    """Where erm.yaml names no database, any can be named; one that is not there is created only when that is said."""
    (project / "erm.yaml").touch()
    refused = run_erm("dev", "url", "try me", cwd=project)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "The embedded server has no database try me; it has postgres." in refused.stderr
    assert "To create it: erm dev url 'try me' --create" in refused.stderr
    for arguments in (("try me", "--create"), ("try me",)):
        done = run_erm("dev", "url", *arguments, cwd=project)
        assert done.returncode == 0, done.stderr
        assert "/try%20me?" in done.stdout
    assert "Did you mean try me?" in run_erm("dev", "url", "tri me", cwd=project).stderr


def test_a_profile_on_another_server(configured: Path) -> None:
    """The URL of a profile that is not embedded is not this command's business."""
    done = run_erm("dev", "url", "--env", "staging", cwd=configured)
    assert (done.returncode, done.stdout) == (2, "")
    assert "The profile staging does not use the embedded server." in done.stderr


def test_psql(configured: Path) -> None:
    """psql opens on the profile's database and takes its own options."""
    done = run_erm("dev", "psql", "-XAtc", "select current_database()", cwd=configured)
    assert (done.returncode, done.stdout) == (0, "shop dev\n"), done.stderr


def test_reset_without_a_terminal_wants_yes(configured: Path) -> None:
    """Where nobody can be asked, nothing is removed without --yes."""
    run_erm("dev", "start", cwd=configured)
    refused = run_erm("dev", "reset", cwd=configured)
    assert refused.returncode == 2
    assert "erm dev reset --yes" in refused.stderr
    assert EmbeddedServer(configured).status().running
    assert run_erm("dev", "reset", "--yes", cwd=configured).stdout == ("The server and its databases are removed.\n")
    assert not (configured / ".erm" / "postgres").exists()


def test_reset_asks_on_a_terminal(configured: Path) -> None:
    """On a terminal it asks first; only a yes removes anything."""
    EmbeddedServer(configured).ensure_running()
    code, output = answer_on_a_terminal(configured, b"n")
    assert code == 1
    assert "Remove every database of the embedded server" in output
    assert EmbeddedServer(configured).status().running
    code, output = answer_on_a_terminal(configured, b"y")
    assert code == 0, output
    assert EmbeddedServer(configured).status().data_dir is None
