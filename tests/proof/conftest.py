"""A scratch database, and revisions that run in it through Alembic."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from erm_alembic.planning.rehearsal import Proof
from erm_alembic.shadow.places import ScratchPlace
from erm_alembic.shadow.prove import prove
from tests.support.databases import Database

Half = Callable[[Operations], None]

LOCKED = """
    SELECT DISTINCT format('%I.%I', n.nspname, c.relname)
      FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE l.pid = pg_backend_pid() AND l.mode NOT IN ('AccessShareLock', 'RowShareLock') AND n.nspname !~ '^pg_'
"""


@dataclass
class Revision:
    """A way up and a way down, run as Alembic runs them; each is SQL, or a function of Alembic's `op`."""

    up: str | Half
    down: str | Half
    ran: list[str] = field(default_factory=list)

    def _run(self, place: Any, name: str, half: str | Half) -> Collection[str]:
        self.ran.append(name)
        engine = create_engine("postgresql+psycopg2://", creator=place.connect, poolclass=NullPool)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
            with context.begin_transaction(_per_migration=True):
                if isinstance(half, str):
                    connection.exec_driver_sql(half.replace("%", "%%"))
                else:
                    half(Operations(context))
                return [row[0] for row in connection.exec_driver_sql(LOCKED.replace("%", "%%"))]

    def prove(self, place: ScratchPlace, **kw: Any) -> Proof:
        return prove(
            place,
            lambda there: self._run(there, "up", self.up),
            lambda there: self._run(there, "down", self.down),
            **kw,
        )


@dataclass(frozen=True)
class Scratch:
    """A database with a history, in which revisions are proven."""

    database: Database
    place: ScratchPlace

    def execute(self, statement: str) -> None:
        self.database.execute(statement)

    def prove(self, up: str | Half, down: str | Half, **kw: Any) -> Proof:
        return Revision(up, down).prove(self.place, **kw)


@contextlib.contextmanager
def _scratch(database: Database) -> Iterator[Scratch]:
    with contextlib.closing(database.connect()) as keeper:
        yield Scratch(database, ScratchPlace(database.url, keeper, psycopg2.connect))


@pytest.fixture
def scratch(database: Database) -> Iterator[Scratch]:
    """A scratch database on a server of every major."""
    with _scratch(database) as scratch:
        yield scratch


@pytest.fixture
def one_scratch(one_database: Database) -> Iterator[Scratch]:
    """A scratch database on the newest major."""
    with _scratch(one_database) as scratch:
        yield scratch
