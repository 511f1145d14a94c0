"""The private servers of a run of tests that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from erm_alembic.postgres.embedded.server import EmbeddedServer
from erm_alembic.testing.left_servers import stop_left_servers
from erm_alembic.testing.servers import PrivateServers
from tests.support.waiting import until

STARTING = """
import sys, time
from pathlib import Path
from erm_alembic.testing.servers import PrivateServers
servers = PrivateServers(Path(sys.argv[1]), Path(sys.argv[2]))
servers.primary
Path(sys.argv[1], "running").touch()
time.sleep(600)
"""


def test_the_next_run_stops_what_a_killed_one_has_left(tmp_path: Path) -> None:
    """It and its files are gone once another run has a server, whose own is left alone by a third."""
    killed, project, next_one = (tmp_path / name for name in ("killed", "a project", "next"))
    for folder in (killed, project, next_one):
        folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", STARTING, killed, project]) as run:
        try:
            until(lambda: (killed / "running").exists() or run.poll() is not None)
        finally:
            os.kill(run.pid, signal.SIGKILL)
    left = EmbeddedServer(killed / "primary")
    assert left.status().running
    with closing(PrivateServers(next_one, project)) as servers:
        assert servers.primary.status().running
        assert left.status().data_dir is None
        stop_left_servers(project)
        assert servers.primary.status().running
    assert list((project / ".erm" / "test-servers").iterdir()) == []
