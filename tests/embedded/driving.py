"""How these tests look at a server and drive it from other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg2

from erm_alembic.errors import ErmError
from erm_alembic.postgres.embedded.files import Cluster, locate_cluster
from erm_alembic.postgres.embedded.process_user import ServerUser
from erm_alembic.postgres.embedded.server import EmbeddedServer
from tests.support.cli import erm_environment
from tests.support.waiting import until as until

ENSURE = """
import sys
from pathlib import Path
from erm_alembic.errors import ErmError
from erm_alembic.postgres.embedded.server import EmbeddedServer
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


def ensure_elsewhere(project: Path, name: str) -> subprocess.Popen[str]:
    """Ensure a database from another process, which prints the pid of the server."""
    return subprocess.Popen(
        [sys.executable, "-c", ENSURE, str(project), name],
        env=erm_environment(),
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ensure_as(user: ServerUser, project: Path, name: str) -> tuple[int, str]:
    """Ensure a database as an ordinary user; the exit code, and the server's pid or the error's three sentences.

    A forked copy of this process drops its rights: that user need not be able to run this Python, which may stand
    under a closed home.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.close(reading)
            if user.dropped:
                os.setgroups([])
                os.setgid(user.gid)
                os.setuid(user.uid)
            code, output = _ensured(project, name)
            os.write(writing, output.encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        output = stream.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), output


def _ensured(project: Path, name: str) -> tuple[int, str]:
    server = EmbeddedServer(project, durable=False)
    try:
        server.ensure_database(name)
    except ErmError as error:
        return error.exit_code, "\n".join((error.what, error.effect, error.cure))
    return 0, str(server.status().pid)


def give_to(user: ServerUser, path: Path) -> None:
    """Make a user the owner of a path, where this process may do that."""
    if user.dropped:
        os.chown(path, user.uid, user.gid)
