"""Servers of a test's own: with settings, a disk and an end of their own, unlike the ones that all tests share."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import psycopg2

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.embedded.private_place import reachable_binaries
from erm_alembic.postgres.embedded.process_user import ServerUser, choose_user, run_as

SUPERUSER = "postgres"
# Speed before safety: nobody needs these servers after a power cut.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "shared_buffers": "8MB",
    "max_connections": "30",
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

StopMode = Literal["smart", "fast", "immediate"]


@dataclass
class PrivateServer:
    """A PostgreSQL server of one test, reached over a unix socket.

    Args:
        folder: short path of its own folder, which holds the data directory, the socket and the log.
        binaries: its programs, at a place that `user` can reach.
        user: whom its processes run as.
        settings: what its configuration sets, besides what makes it quick.
    """

    folder: Path
    binaries: PostgresBinaries
    user: ServerUser
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def socket_dir(self) -> Path:
        return self.folder

    @property
    def log_path(self) -> Path:
        return self.folder / "server.log"

    def url(self, dbname: str = "postgres", **parameters: str) -> str:
        """A libpq URI of a database, as superuser; keyword arguments become its parameters."""
        query = {"host": str(self.folder), **parameters}
        shown = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        return f"postgresql://{SUPERUSER}@/{quote(dbname, safe='')}?{shown}"

    def execute(self, statement: str, *params: object, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own; its rows, or an empty list."""
        connection = psycopg2.connect(self.url(dbname))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, params or None)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def initialise(self, *options: str) -> None:
        """Make its data directory; options go to `initdb`."""
        locale = ["--locale=C", "--encoding=UTF8"]
        self.run("initdb", "-D", self.data_dir, "-U", SUPERUSER, "--auth=trust", "--no-sync", *locale, *options)

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        self.run("pg_ctl", "start", "-w", "-D", self.data_dir, "-l", self.log_path, "-o", self._options())

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it; `immediate` is a crash."""
        self.run("pg_ctl", "stop", "-w", "-m", mode, "-D", self.data_dir)

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop it and start it again at once."""
        self.run("pg_ctl", "restart", "-w", "-m", mode, "-D", self.data_dir, "-l", self.log_path, "-o", self._options())

    def promote(self) -> None:
        """Make a standby the primary, and wait until it is."""
        self.run("pg_ctl", "promote", "-w", "-D", self.data_dir)

    def runs(self) -> bool:
        """Whether its postmaster lives."""
        return run_as(self.user, [self.binaries.program("pg_ctl"), "status", "-D", self.data_dir]) == 0

    def log(self) -> str:
        """What it has logged so far."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def _options(self) -> str:
        settings = SETTINGS | {"unix_socket_directories": str(self.folder)} | dict(self.settings)
        return " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of its programs as its user; the test fails with the program's words when it does."""
        with tempfile.TemporaryFile() as output:
            code = run_as(self.user, [self.binaries.program(program), *arguments], stdout=output)
            output.seek(0)
            assert code == 0, f"{program}: {output.read().decode('utf-8', 'replace')}\n{self.log()[-2000:]}"


@contextmanager
def server_folder(small: str | None = None) -> Iterator[tuple[Path, ServerUser]]:
    """A folder for a server, and the user that owns it; both are short-lived.

    Args:
        small: the size of a file system of its own, such as `64m`; needs root. None takes what /tmp has.

    Raises:
        OSError: the file system cannot be mounted.
    """
    user = choose_user()
    folder = Path(tempfile.mkdtemp(prefix="erm-server-", dir="/tmp"))
    try:
        if small is not None:
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={small}", "tmpfs", folder], capture_output=True, check=False
            )
            if done.returncode != 0:
                raise OSError("this machine lets nobody mount a file system")
        if user.dropped:
            os.chown(folder, user.uid, user.gid)
        folder.chmod(0o700)
        yield folder, user
    finally:
        if small is not None:
            subprocess.run(["umount", folder], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(server: PrivateServer) -> Iterator[PrivateServer]:
    """Start a server whose data directory is there; it is stopped at the end, in whatever state it is."""
    try:
        server.start()
        yield server
    finally:
        if server.runs():
            server.stop("immediate")


@contextmanager
def private_server(binaries: PostgresBinaries, *options: str, **settings: str) -> Iterator[PrivateServer]:
    """A running server of the test's own.

    Args:
        binaries: the programs of its major.
        options: further options of `initdb`.
        settings: what its configuration sets, such as `max_locks_per_transaction="10"`.
    """
    with server_folder() as (folder, user):
        server = PrivateServer(folder, reachable_binaries(binaries, user), user, settings)
        server.initialise(*options)
        with running(server):
            yield server
