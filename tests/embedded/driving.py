"""How these tests look at a server and drive it from other processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg2

from erm_alembic.postgres.cluster_files import Cluster, locate_cluster
from erm_alembic.postgres.process_user import ServerUser, can_use, choose_user
from erm_alembic.postgres.server import EmbeddedServer
from tests.support.cli import erm_environment

ENSURE = """
import sys
from pathlib import Path
from erm_alembic.errors import ErmError
from erm_alembic.postgres.server import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), durable=False)
try:
    server.ensure_database(sys.argv[2])
except ErmError as error:
    print(error.what, error.effect, error.cure, sep="\\n")
    raise SystemExit(error.exit_code)
print(server.status().pid)
"""


def query(server: EmbeddedServer, name: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement in a database of the server."""
    connection = psycopg2.connect(server.dsn(name))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def cluster_of(server: EmbeddedServer) -> Cluster:
    """The files of a server that was started before."""
    cluster = locate_cluster(server.project_dir)
    assert cluster is not None
    return cluster


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for a condition; fail when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the awaited condition did not come true"
        time.sleep(0.005)


def ensure_elsewhere(project: Path, name: str, user: ServerUser | None = None) -> subprocess.Popen[str]:
    """Ensure a database from another process, as another user if one is given; it prints the server's pid."""
    drop: dict[str, Any] = {}
    if user is not None and user.dropped:
        drop = {"user": user.uid, "group": user.gid, "extra_groups": []}
    return subprocess.Popen(
        [sys.executable, "-c", ENSURE, str(project), name],
        env=erm_environment({"PYTHONDONTWRITEBYTECODE": "1"}),
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **drop,
    )


def ordinary_user(*needed: Path) -> ServerUser | None:
    """An ordinary user who can reach this Python, the package and the given paths, or None."""
    user = choose_user()
    paths: Sequence[Path] = (Path(sys.executable), Path(__file__), Path(psycopg2.__file__), *needed)
    return user if all(can_use(user, path, "r") for path in paths) else None


def give_to(user: ServerUser, path: Path) -> None:
    """Make a user the owner of a path, where this process may do that."""
    if user.dropped:
        os.chown(path, user.uid, user.gid)
