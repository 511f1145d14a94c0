"""Servers and databases for tests, started through the product's own embedded server."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from erm_alembic.postgres.embedded.binaries import PostgresBinaries, find_binaries, installed_binaries
from erm_alembic.postgres.embedded.server import EmbeddedServer
from tests.support.servers import PrivateServer

# Compiling a query of a test takes longer than running it, and a test that counts writes means its own.
SETTINGS = {"jit": "off", "autovacuum": "off"}
# The copy of the template's files takes half the time of one through the write-ahead log.
FILES = sql.SQL(" STRATEGY file_copy")
STRATEGY_SINCE = 15
# In bytes.
ROOM = 4 * 1024**3


@dataclass(frozen=True)
class RunningServer:
    """A PostgreSQL server that lives as long as the test session."""

    embedded: EmbeddedServer
    binaries: PostgresBinaries

    @property
    def major(self) -> int:
        return self.binaries.major

    @property
    def log_path(self) -> Path:
        path = self.embedded.status().log_path
        assert path is not None
        return path

    @property
    def socket_dir(self) -> Path:
        path = self.embedded.status().socket_dir
        assert path is not None
        return path

    def url(self, dbname: str) -> str:
        """A libpq URI of a database, as superuser over the unix socket."""
        return self.embedded.dsn(dbname)


@dataclass(frozen=True)
class Database:
    """A fresh database of one test."""

    name: str
    server: RunningServer | PrivateServer

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def connect(self, **kw: Any) -> psycopg2.extensions.connection:
        """A new connection in autocommit mode; the test closes it, or the database's end does."""
        connection: psycopg2.extensions.connection = psycopg2.connect(self.url, **kw)
        connection.autocommit = True
        return connection

    def execute(self, statement: str, *params: object) -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own; its rows, or an empty list."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, params or None)
                return list(cursor.fetchall()) if cursor.description is not None else []
        finally:
            connection.close()


class ServerPool:
    """One server a major, started when the first test asks for it, stopped and removed at the end."""

    def __init__(self) -> None:
        self._running: dict[int, RunningServer] = {}
        # Short, and open for the user that root's server runs as. A database is made of hundreds of files, which a
        # file system in memory makes at once.
        self._home = Path(tempfile.mkdtemp(prefix="erm-tests-", dir=_in_memory()))
        self._home.chmod(0o755)

    def server(self, binaries: PostgresBinaries) -> RunningServer:
        if binaries.major not in self._running:
            project = self._home / f"pg{binaries.major}"
            project.mkdir()
            embedded = EmbeddedServer(project, binaries=binaries, durable=False, settings=SETTINGS)
            embedded.ensure_running()
            self._running[binaries.major] = RunningServer(embedded, binaries)
        return self._running[binaries.major]

    def close(self) -> None:
        for running in self._running.values():
            running.embedded.reset()
        shutil.rmtree(self._home, ignore_errors=True)


def _in_memory() -> str | None:
    """The file system in memory, where it has room for the servers of several test processes."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or not os.access(memory, os.W_OK | os.X_OK):
        return None
    found = os.statvfs(memory)
    return str(memory) if found.f_bavail * found.f_frsize > ROOM else None


def one_per_major() -> tuple[PostgresBinaries, ...]:
    """The installations the suite runs on: one of each major, the oldest major first."""
    by_major: dict[int, PostgresBinaries] = {}
    for binaries in installed_binaries(os.environ):
        by_major.setdefault(binaries.major, binaries)
    return tuple(by_major[major] for major in sorted(by_major))


def newest() -> PostgresBinaries:
    """The installation of the newest major; where there is none, the product's own error says what to do."""
    available = one_per_major()
    return available[-1] if available else find_binaries()


@contextmanager
def fresh_database(server: RunningServer) -> Iterator[Database]:
    """A new, empty database, removed at the end with whatever is still connected to it."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    strategy = FILES if server.binaries.major >= STRATEGY_SINCE else sql.SQL("")
    _administer(server, sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)) + strategy)
    try:
        yield Database(name, server)
    finally:
        _administer(server, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _administer(server: RunningServer, statement: sql.Composed) -> None:
    connection = psycopg2.connect(server.url("postgres"))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()
