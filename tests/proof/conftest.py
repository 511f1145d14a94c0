"""A scratch database with a history, and revisions that run in it through Alembic."""

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
from erm_alembic.shadow.proof.prove import prove
from erm_alembic.shadow.rehearsal.places import ScratchPlace
from tests.support.databases import Database, RunningServer, fresh_database

Half = Callable[[Operations], None]

# Nothing of it is changed by a proof: it is made once for all of them.
HISTORY = """
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE users (
        id serial PRIMARY KEY, name varchar(50) NOT NULL, email text UNIQUE, state text NOT NULL DEFAULT 'new',
        mood mood, born date, seen timestamptz, extra json, CONSTRAINT states CHECK (state IN ('new', 'old')));
    COMMENT ON COLUMN users.born IS 'as told by themselves';
    CREATE INDEX users_born ON users (born) WHERE born IS NOT NULL;
    CREATE TABLE orders (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, total numeric(10, 2) NOT NULL, note text,
        user_id int NOT NULL CONSTRAINT orders_user REFERENCES users ON DELETE CASCADE);
    CREATE INDEX orders_user_id ON orders (user_id);
    CREATE TABLE countries (id serial PRIMARY KEY, code text UNIQUE NOT NULL);
    INSERT INTO countries (code) VALUES ('de'), ('fr');
    CREATE VIEW codes AS SELECT id, code FROM countries WHERE code < 'x';
    GRANT SELECT ON codes TO PUBLIC;
    CREATE FUNCTION double(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.seen := ''2001-01-01''; RETURN NEW; END';
    CREATE TABLE events (id int, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
"""
RELATIONS = """
    SELECT c.oid, format('%%I.%%I', n.nspname, c.relname)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_'
"""
LOCKED = """
    SELECT relation FROM pg_locks
     WHERE pid = pg_backend_pid() AND relation IS NOT NULL AND mode NOT IN ('AccessShareLock', 'RowShareLock')
"""


@dataclass
class Revision:
    """A way up and a way down, run as Alembic runs them; each is SQL, or a function of Alembic's `op`."""

    up: str | Half
    down: str | Half
    ran: list[str] = field(default_factory=list)

    def prove(self, place: ScratchPlace, **kw: Any) -> Proof:
        def up(place: Any, *, watched: bool = False) -> Collection[str]:
            return self._run(place, "up", self.up)

        def down(place: Any, *, watched: bool = False) -> Collection[str]:
            return self._run(place, "down", self.down)

        return prove(place, up, down, **kw)

    def _run(self, place: Any, name: str, half: str | Half) -> Collection[str]:
        self.ran.append(name)
        engine = create_engine("postgresql+psycopg2://", creator=place.connect, poolclass=NullPool)
        with engine.connect() as connection:
            # As in a rehearsal: what the transaction itself makes is locked for nobody.
            known = dict(tuple(row) for row in connection.exec_driver_sql(RELATIONS))
            connection.rollback()
            context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
            with context.begin_transaction(_per_migration=True):
                if isinstance(half, str):
                    connection.exec_driver_sql(half.replace("%", "%%"))
                else:
                    half(Operations(context))
                locked = [row[0] for row in connection.exec_driver_sql(LOCKED)]
                return {known[oid] for oid in locked if oid in known}


@dataclass(frozen=True)
class Scratch:
    """A scratch database, in which revisions are proven."""

    database: Database
    place: ScratchPlace

    def prove(self, up: str | Half, down: str | Half, **kw: Any) -> Proof:
        """The proof of a revision."""
        return Revision(up, down).prove(self.place, **kw)


@contextlib.contextmanager
def scratch_in(server: RunningServer, history: str) -> Iterator[Scratch]:
    """A scratch database with a history."""
    with fresh_database(server) as database, contextlib.closing(database.connect()) as keeper:
        with keeper.cursor() as cursor:
            cursor.execute(history)
        yield Scratch(database, ScratchPlace(database.url, keeper, psycopg2.connect))


@pytest.fixture(scope="package")
def scratch(postgres_server: RunningServer) -> Iterator[Scratch]:
    """A scratch database at the end of the history, on a server of every major."""
    with scratch_in(postgres_server, HISTORY) as scratch:
        yield scratch


@pytest.fixture(scope="package")
def new_scratch(newest_server: RunningServer) -> Iterator[Scratch]:
    """The same on the newest major only, for what does not depend on the catalog."""
    with scratch_in(newest_server, HISTORY) as scratch:
        yield scratch


@pytest.fixture
def empty(newest_server: RunningServer) -> Iterator[Scratch]:
    """An empty scratch database on the newest major."""
    with scratch_in(newest_server, "SELECT 1") as scratch:
        yield scratch
