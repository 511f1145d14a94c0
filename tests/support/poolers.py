"""A real PgBouncer in front of a server."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest

from tests.support.servers import SUPERUSER, server_folder

PORT = 6432


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer.

    Args:
        folder: holds its unix socket.
    """

    folder: Path

    def url(self, dbname: str, parameters: str = "") -> str:
        """A libpq URI of a database through the pooler; parameters begin with `&`."""
        host = quote(str(self.folder), safe="")
        return f"postgresql://{SUPERUSER}@:{PORT}/{quote(dbname, safe='')}?host={host}{parameters}"


def pgbouncer_program() -> str:
    """The path of `pgbouncer`; the test is skipped where there is none."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("pgbouncer is not installed (apt-get install pgbouncer)")
    return found


@contextmanager
def pgbouncer(socket_dir: Path, mode: str, port: int = 5432, **settings: str) -> Iterator[Pooler]:
    """A PgBouncer in front of the server whose socket is in a folder.

    Args:
        socket_dir: the folder with the server's socket.
        mode: `session`, `transaction` or `statement`.
        port: the number in the name of the server's socket.
        settings: further lines of its configuration.
    """
    program = pgbouncer_program()
    with server_folder() as (folder, user):
        # Root's own servers let only root and themselves into the folder of their socket.
        users = folder / "users.txt"
        users.write_text(f'"{SUPERUSER}" ""\n')
        chosen = {
            "listen_port": str(PORT),
            "unix_socket_dir": str(folder),
            "auth_type": "trust",
            "auth_file": str(users),
            "pool_mode": mode,
            "default_pool_size": "1",
            "logfile": str(folder / "pgbouncer.log"),
            **settings,
        }
        ini = folder / "pgbouncer.ini"
        lines = [f"{name} = {value}" for name, value in chosen.items()]
        ini.write_text("\n".join([f"[databases]\n* = host={socket_dir} port={port}\n[pgbouncer]", *lines, ""]))
        for path in (users, ini):
            path.chmod(0o644)
        drop = {"user": user.uid, "group": user.gid, "extra_groups": []} if user.dropped else {}
        process = subprocess.Popen(
            [program, "-q", ini], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **drop
        )
        try:
            pooler = Pooler(folder)
            _await(process, pooler)
            yield pooler
        finally:
            process.terminate()
            process.wait(10)


def _await(process: subprocess.Popen[bytes], pooler: Pooler) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg2.connect(pooler.url("postgres")).close()
        except psycopg2.OperationalError as error:
            log = pooler.folder / "pgbouncer.log"
            said = log.read_text() if log.exists() else str(error)
            assert process.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.02)
        else:
            return
