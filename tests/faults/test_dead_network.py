"""A network that goes away without a word: no reset, no end of the connection, nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from erm_alembic.config.loader import load_settings
from erm_alembic.target import open_target
from tests.faults.deploying import SLEEPS, Project, sleeping, tables, until
from tests.faults.network import Network, network_to
from tests.support.cli import erm_environment
from tests.support.databases import Database

DIES = "&keepalives_idle=1&keepalives_interval=1&keepalives_count=2&tcp_user_timeout=2000&connect_timeout=2"
# In a network of its own, whose only device is taken down under the deployer.
INSIDE = """
import os, subprocess, sys
from pathlib import Path
from tests.faults.network import network_to
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with network_to(Path(sys.argv[1])) as network:
    url = network.url(sys.argv[2], "?" + sys.argv[3])
    erm = subprocess.Popen(
        [sys.executable, "-m", "erm_alembic", "migrate"], env={**os.environ, "ERM_DATABASE_URL": url}
    )
    sys.stdin.readline()
    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
    raise SystemExit(erm.wait())
"""


def two_revisions(project: Project) -> Path:
    project.table("a1", "first")
    return project.revision("b2", f'op.execute("CREATE TABLE t (id int)")\n{SLEEPS}', 'op.drop_table("t")', down="a1")


def nothing_of_the_revision_stays(project: Project, path: Path, database: Database) -> None:
    """The orphan keeps the lock until it ends; then nothing of its revision is there, and the next run goes through."""
    for pid, _ in sleeping(database):
        database.execute("SELECT pg_terminate_backend(%s)", pid)
    until(lambda: not sleeping(database))
    assert tables(database) == {"first", "alembic_version"}
    path.write_text(path.read_text().replace("pg_sleep(600)", "pg_sleep(0)"))
    project.url = database.url
    done = project.apply("--wait", "30s")
    assert done.returncode == 0, done.stderr
    assert tables(database) == {"first", "t", "alembic_version"}


def test_limits_of_silence_are_set(one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection over TCP notices a dead peer within a minute; what the URL says of it wins."""
    monkeypatch.chdir(tmp_path)
    with network_to(one_database.server.socket_dir) as network:
        for parameters, expected in (("", (30, 10, 3, 60000)), ("?" + DIES[1:], (1, 1, 2, 2000))):
            monkeypatch.setenv("ERM_DATABASE_URL", network.url(one_database.name, parameters))
            with (
                contextlib.closing(open_target(load_settings()).connect("erm")) as connection,
                socket.socket(fileno=os.dup(connection.fileno())) as end,
            ):
                options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
                assert tuple(end.getsockopt(socket.IPPROTO_TCP, option) for option in options) == expected


def own_network() -> list[str]:
    """The command that runs another in a network of its own."""
    command = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--user", "--map-root-user"]
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("there is no unshare or no ip here")
    if subprocess.run([*command, "ip", "link", "set", "lo", "up"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine allows no network of one's own")
    return command


def test_a_network_that_dies(project: Project, one_database: Database) -> None:
    """A device that goes down in the middle of a revision is noticed by the connection's own limits: exit code 1."""
    path = two_revisions(project)
    with subprocess.Popen(
        [*own_network(), sys.executable, "-c", INSIDE, one_database.server.socket_dir, one_database.name, DIES[1:]],
        cwd=project.root,
        env=erm_environment(project.environ()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            until(lambda: sleeping(one_database))
            out, err = process.communicate("down\n", timeout=60)
        finally:
            process.kill()
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert "  FAILED   b2" in out
    assert "The end of run 1 could not be written to the ledger: failed." in err
    nothing_of_the_revision_stays(project, path, one_database)
    assert [run["outcome"] for run in project.runs()] == ["died", "done"]


@pytest.fixture
def hanging(one_database: Database) -> Iterator[Network]:
    """A network that acknowledges everything and lets nothing through once the test says so."""
    with network_to(one_database.server.socket_dir) as network:
        yield network


def test_a_signal_on_a_network_that_hangs(project: Project, one_database: Database, hanging: Network) -> None:
    """Where cancelling does not reach the server, a signal still ends the run in reasonable time, with its own code."""
    path = two_revisions(project)
    project.url = hanging.url(one_database.name, "?connect_timeout=2")
    with project.deploying() as deployer:
        deployer.until(lambda: sleeping(one_database))
        hanging.hang()
        sent = time.monotonic()
        deployer.signal(signal.SIGTERM)
        code, out, err = deployer.ended(60)
        assert time.monotonic() - sent < 40
    assert (code, "stopped by SIGTERM" in out) == (143, True)
    assert "The end of run 1 could not be written to the ledger: interrupted." in err
    hanging.cut(for_good=True)
    hanging.flow()
    nothing_of_the_revision_stays(project, path, one_database)
    assert [run["outcome"] for run in project.runs()] == ["died", "done"]


def test_a_server_that_greets_and_says_no_more(project: Project, one_database: Database, hanging: Network) -> None:
    """A server that takes connections and does not answer is given up after connect_timeout; nothing was run."""
    project.table("a1", "first")
    hanging.hang()
    done = project.erm("migrate", ERM_DATABASE_URL=hanging.url(one_database.name, "?connect_timeout=2"))
    assert done.returncode == 1
    assert "cure:   Check the network and the firewall between this machine and the server." in done.stderr
    hanging.flow()
    assert tables(one_database) == set()


def test_cutting_off_a_connection(one_database: Database, hanging: Network) -> None:
    """A thread that waits for an answer fails at once when its connection is cut off."""
    from erm_alembic.postgres.reach import cut_off, cut_off_after

    with contextlib.closing(psycopg2.connect(hanging.url(one_database.name))) as connection:
        cursor = connection.cursor()
        with cut_off_after(connection, 0.05), pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT pg_sleep(600)")
    cut_off(connection)  # closed already: nothing to do
