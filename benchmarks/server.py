"""A PostgreSQL server for the benchmarks alone, as durable as a real one, and the databases on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import sql

from erm_alembic.postgres.embedded.binaries import PostgresBinaries, find_binaries
from erm_alembic.postgres.embedded.server import EmbeddedServer

__all__ = ["BenchmarkServer", "running_server"]


@dataclass(frozen=True)
class BenchmarkServer:
    """A running server."""

    embedded: EmbeddedServer
    binaries: PostgresBinaries

    def url(self, database: str) -> str:
        """The address of a database, for libpq."""
        return self.embedded.dsn(database)

    def sqlalchemy_url(self, database: str) -> str:
        """The same for SQLAlchemy, with the driver that erm uses: Alembic is to have it no harder."""
        return self.url(database).replace("postgresql:", "postgresql+psycopg2:", 1)

    def renew(self, database: str, template: str = "template0") -> None:
        """Make a database, or make it empty, or a copy of another one."""
        with closing(psycopg2.connect(self.url("postgres"))) as connection:
            connection.autocommit = True
            name = sql.Identifier(database)
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
                cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(template)))
                cursor.execute("CHECKPOINT")  # what was written so far is not written while somebody is measured


@contextmanager
def running_server(folder: Path, binaries: PostgresBinaries | None = None) -> Iterator[BenchmarkServer]:
    """A server in a folder, gone at the end of the block."""
    binaries = binaries or find_binaries()
    embedded = EmbeddedServer(folder, binaries=binaries)
    embedded.ensure_running()
    try:
        yield BenchmarkServer(embedded, binaries)
    finally:
        embedded.reset()
