"""The embedded server: a private PostgreSQL for one project, started when needed, on a unix socket only.

It never listens on a network address: whoever may enter the socket's folder (its owner, and root) is trusted,
nobody else gets as far as a password prompt. Everything that starts, stops or removes it does so under one
lock of the operating system, so two commands at once meet one server, and nothing that a kill -9 leaves
behind stands in the way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
from psycopg2 import errors as pg_errors
from psycopg2 import sql

from erm_alembic.errors import ServerError
from erm_alembic.postgres.deploy_lock import Holder, lock_holders
from erm_alembic.postgres.embedded.binaries import PostgresBinaries, find_binaries
from erm_alembic.postgres.embedded.files import (
    Cluster,
    discard_cluster,
    locate_cluster,
    prepare_cluster,
)
from erm_alembic.postgres.embedded.lock import cluster_lock
from erm_alembic.postgres.embedded.private_place import DEVELOPMENT, reachable_binaries, socket_folder
from erm_alembic.postgres.embedded.start import NOTHING, initialise, launch
from erm_alembic.postgres.embedded.stop import clear_leftovers, shut_down
from erm_alembic.postgres.password_file import without_exposed_file
from erm_alembic.under_way import under_way

__all__ = ["PORT", "SUPERUSER", "EmbeddedServer", "ServerStatus"]

SUPERUSER = "postgres"
PORT = 5432
LONGEST_NAME = 63


# Where its programs may have been found, for people.
ORIGINS = {"system": "this machine", "wheel": "erm-alembic[embedded]"}


@dataclass(frozen=True)
class ServerStatus:
    """What is known about a project's server.

    Args:
        running: whether it accepts connections.
        pid: process id of its postmaster, when it runs.
        major: major version of its data directory, when there is one.
        data_dir: its data directory, when there is one.
        socket_dir: folder of its unix socket.
        log_path: its log, when there is one.
    """

    running: bool
    pid: int | None
    major: int | None
    data_dir: Path | None
    socket_dir: Path | None
    log_path: Path | None


class EmbeddedServer:
    """The private PostgreSQL server of one project.

    Args:
        project_dir: the project's folder; the server's files go to `.erm/postgres/` in it.
        binaries: the PostgreSQL to use; found by `find_binaries` when left out.
        environ: the environment that `find_binaries` reads; this process's by default.
        durable: False trades safety against a crash of the machine for speed, for servers that tests throw
            away.
        place: the folder in `.erm/`, of a server that `embedded://` does not mean.
        settings: settings of the server, besides those that every embedded one has.

    Raises:
        ServerError: from every method: what hinders the server, and what to do about it.

    Example:
        server = EmbeddedServer(Path.cwd())
        server.ensure_database("app_dev")      # starts the server where it does not run
        psycopg2.connect(server.dsn("app_dev"))
    """

    def __init__(
        self,
        project_dir: Path,
        *,
        binaries: PostgresBinaries | None = None,
        environ: Mapping[str, str] | None = None,
        durable: bool = True,
        place: str = DEVELOPMENT,
        settings: Mapping[str, str] = NOTHING,
    ) -> None:
        self.project_dir = project_dir.resolve()
        self._binaries = binaries
        self._environ = environ
        self._durable = durable
        self._place = place
        self._settings = settings

    def ensure_running(self) -> None:
        """Start the server unless it runs; the first start also makes its data directory (about a second).

        Raises:
            ServerError: no PostgreSQL is found, the data directory is of another major, the disk is full, the
                project cannot be written, or PostgreSQL refuses to start (its own words are in the message).
        """
        if self._usable(locate_cluster(self.project_dir, self._place)):
            return
        with cluster_lock(self.project_dir, self._place) as lock:
            self._start(prepare_cluster(self.project_dir, self._place), lock)

    def ensure_database(self, name: str) -> None:
        """Create a database of that name unless it is there; the server is started where it does not run.

        Raises:
            ServerError: the name cannot be a database's, or the server cannot be started or reached.
        """
        _check_name(name)
        with self._asking() as cursor:
            if name not in _databases(cursor):
                with suppress(pg_errors.DuplicateDatabase, pg_errors.UniqueViolation):  # another process has made it
                    cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))

    def databases(self) -> tuple[str, ...]:
        """The names of its databases, sorted; the server is started where it does not run.

        Raises:
            ServerError: the server cannot be started or reached.
        """
        with self._asking() as cursor:
            return _databases(cursor)

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """A cursor on the server, which is started where it does not run; each statement is a transaction."""
        self.ensure_running()
        arguments: dict[str, Any] = {"connect_timeout": 10, **without_exposed_file()}
        try:
            with closing(psycopg2.connect(self.dsn("postgres"), **arguments)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    yield cursor
        except psycopg2.Error as error:
            raise _unreachable(error) from error

    def dsn(self, name: str) -> str:
        """The libpq URI of a database on the server; nothing is started or created.

        Example:
            postgresql://postgres@:5432/app_dev?host=%2Ftmp%2Ferm-1000-0123456789ab
        """
        folder = quote(str(self._socket_dir(locate_cluster(self.project_dir, self._place))), safe="")
        # The port is said although it is the usual one: PGPORT in the user's environment would change it.
        return f"postgresql://{SUPERUSER}@:{PORT}/{quote(name, safe='')}?host={folder}"

    def psql(self) -> Path | None:
        """The `psql` that fits the server, or None where its installation has none."""
        cluster = locate_cluster(self.project_dir, self._place)
        return self._find_binaries(cluster).psql

    def deployers(self) -> tuple[Holder, ...]:
        """Who deploys on a database of the server right now; nobody where it does not run or cannot be asked."""
        if not self.status().running:
            return ()
        arguments: dict[str, Any] = {"connect_timeout": 10, **without_exposed_file()}
        try:
            with closing(psycopg2.connect(self.dsn("postgres"), **arguments)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    return lock_holders(cursor)
        except psycopg2.Error:
            return ()

    def stop(self) -> bool:
        """Stop the server, cutting its connections; say whether it ran."""
        if locate_cluster(self.project_dir, self._place) is None:
            return False
        with cluster_lock(self.project_dir, self._place):
            cluster = locate_cluster(self.project_dir, self._place)
            return cluster is not None and shut_down(cluster)

    def status(self) -> ServerStatus:
        """What is known about the server; changes nothing."""
        cluster = locate_cluster(self.project_dir, self._place)
        if cluster is None or not cluster.initialised:
            return ServerStatus(False, None, None, None, None, None)
        running = cluster.running()
        return ServerStatus(
            running=self._usable(cluster),
            pid=running.pid if running else None,
            major=cluster.major(),
            data_dir=cluster.data_dir,
            socket_dir=self._socket_dir(cluster),
            log_path=cluster.log_path,
        )

    def reset(self) -> bool:
        """Stop the server and remove all of its databases; say whether there were any."""
        if locate_cluster(self.project_dir, self._place) is None:
            return False
        with cluster_lock(self.project_dir, self._place):
            cluster = locate_cluster(self.project_dir, self._place)
            if cluster is None:
                return False
            # Another user, or the project's former path, may have given the running server another folder.
            folders = {self._socket_dir(cluster), socket_folder(cluster.data_dir)}
            shut_down(cluster)
            for folder in folders:
                clear_leftovers(cluster, folder, PORT)
                with suppress(OSError):
                    folder.rmdir()
            discard_cluster(self.project_dir, cluster, self._place)
            return True

    def _start(self, cluster: Cluster, lock: int) -> None:
        """Bring the server up, whatever state it was left in. The lock is held."""
        if self._await_running(cluster):
            return
        binaries = reachable_binaries(self._find_binaries(cluster), cluster.user)
        if cluster.initialised:
            _check_major(cluster, binaries)
        shut_down(cluster)
        folder = socket_folder(cluster.data_dir)
        clear_leftovers(cluster, folder, PORT)
        where = "for this project"
        if not cluster.initialised:  # its major stays that of these programs
            where = f"of {ORIGINS.get(binaries.origin, binaries.origin)} {where}, for the first time"
        under_way(f"starting PostgreSQL {binaries.major} {where}")
        if not cluster.initialised:
            initialise(cluster, binaries, superuser=SUPERUSER, durable=self._durable, lock=lock)
        launch(cluster, binaries, socket_dir=folder, port=PORT, durable=self._durable, further=self._settings)

    def _find_binaries(self, cluster: Cluster | None) -> PostgresBinaries:
        if self._binaries is not None:
            return self._binaries
        major = cluster.major() if cluster is not None and cluster.initialised else None
        return find_binaries(self._environ, major=major)

    def _await_running(self, cluster: Cluster, patience: float = 60.0) -> bool:
        """Whether the server is usable, after waiting for one on its way (its starter was killed)."""
        deadline = time.monotonic() + patience
        while (running := cluster.running()) is not None and time.monotonic() < deadline:
            if running.ready:
                return self._usable(cluster)
            time.sleep(0.02)
        return False

    def _usable(self, cluster: Cluster | None) -> bool:
        """Whether a server is ready and its socket still there (cleaners of /tmp remove old ones)."""
        running = cluster.running() if cluster is not None else None
        if running is None or not running.ready:
            return False
        return (running.socket_dir / f".s.PGSQL.{running.port}").is_socket()

    def _socket_dir(self, cluster: Cluster | None) -> Path:
        """Where the socket is or will be. A running server knows best: its project may have been moved."""
        if cluster is None:
            return socket_folder(self.project_dir / ".erm" / self._place / "data")
        running = cluster.running()
        return running.socket_dir if running is not None else socket_folder(cluster.data_dir)


def _check_name(name: str) -> None:
    effect = "No database was created."
    if not name or "\0" in name:
        raise ServerError(
            "A database's name cannot be empty or contain a NUL.",
            effect=effect,
            cure="Write embedded://NAME with another name.",
        )
    length = len(name.encode("utf-8", "surrogateescape"))
    if length > LONGEST_NAME:
        raise ServerError(
            f"The database name {name!r} has {length} bytes; PostgreSQL allows {LONGEST_NAME}.",
            effect=effect,
            cure="Choose a shorter name in embedded://NAME.",
        )
    if name in ("template0", "template1"):
        raise ServerError(
            f"{name} is PostgreSQL's own template, not a database to work in.",
            effect=effect,
            cure="Choose another name in embedded://NAME.",
        )


def _check_major(cluster: Cluster, binaries: PostgresBinaries) -> None:
    major = cluster.major()
    if major != binaries.major:
        raise ServerError(
            f"The data directory {cluster.data_dir} is of PostgreSQL {major}, but the server found is"
            f" {binaries.major} ({binaries.bin_dir}).",
            effect="The embedded server was not started; its databases are untouched.",
            cure=f"Set ERM_PG_BIN to a PostgreSQL {major}, or start afresh with: erm dev reset"
            "   (the databases in it are lost)",
        )


def _databases(cursor: Any) -> tuple[str, ...]:
    cursor.execute("SELECT datname::text FROM pg_catalog.pg_database WHERE NOT datistemplate ORDER BY 1")
    return tuple(row[0] for row in cursor.fetchall())


def _unreachable(error: psycopg2.Error) -> ServerError:
    words = " ".join(str(error).split())
    return ServerError(
        f"The embedded server did not do what was asked: {words}",
        effect="The database may not exist yet.",
        cure="Look at its log: erm dev status names it. Then: erm dev stop, and try again.",
    )
