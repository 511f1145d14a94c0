"""A project with smoke tests of every kind, and what each of them must come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.cli import run_erm
from tests.support.databases import Database

__all__ = ["ALONE", "BAD", "GOOD", "make_project", "outcomes", "run_smoke"]

# The plugins of this environment take longer than the tests.
ALONE: dict[str, str | None] = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
CONFIGURATION = """
smoke: {paths: [tests], timeout: 700ms}
"""
# It makes its engine when it is imported, and commits, as applications do.
APPLICATION = """
import os

from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker

engine = create_engine(os.environ["DATABASE_URL"])
Make = sessionmaker(engine)


def add(n, commit=True):
    with Make() as session:
        session.execute(text("INSERT INTO t (n) VALUES (:n)"), {"n": n})
        if commit:
            session.commit()


def count():
    with Make() as session:
        return session.scalar(text("SELECT count(*) FROM t"))
"""
GOOD = """
import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import app


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "t"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]


smoke = pytest.mark.erm_smoke
many = text("SELECT generate_series(1, 3000)").execution_options(yield_per=100)


def test_that_is_none():
    assert False


@smoke
def test_reads(erm_smoke_session, erm_session):
    assert erm_session is erm_smoke_session
    assert erm_smoke_session.scalar(text("SELECT count(*) FROM t")) == app.count() == 1


@smoke(writes=True)
def test_writes(erm_smoke_session, erm_smoke_connection):
    erm_smoke_session.execute(text("INSERT INTO t (n) VALUES (2)"))
    assert app.count() == erm_smoke_connection.scalar(text("SELECT count(*) FROM t")) == 2
    erm_smoke_session.rollback()
    assert app.count() == 1
    assert len(erm_smoke_session.execute(many).all()) == 3000


@smoke(writes=True, nested_commits=True)
def test_calls_what_commits(erm_smoke_session):
    app.add(2)
    app.add(3, commit=False)
    assert app.count() == 2
    with app.engine.begin() as connection:
        connection.execute(text("INSERT INTO t (n) VALUES (4)"))
    with pytest.raises(ZeroDivisionError), app.engine.begin() as connection:
        connection.execute(text("INSERT INTO t (n) VALUES (5)"))
        1 / 0
    raw = app.engine.raw_connection()
    raw.cursor().execute("INSERT INTO t (n) VALUES (6)")
    raw.close()
    app.engine.connect().close()
    erm_smoke_session.commit()
    assert erm_smoke_session.scalar(text("SELECT count(*) FROM t")) >= 3


@smoke
def test_engines_that_set_their_connections_up(erm_smoke_session):
    engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:"))

    @event.listens_for(engine, "connect")
    def set_up(connection, record):
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET search_path = pg_catalog")
        connection.autocommit = False
        connection.commit()

    with engine.connect() as connection:
        assert connection.scalar(text("SHOW search_path")) == "pg_catalog"


@smoke(writes=True, nested_commits=True)
def test_engines_of_each_kind(erm_smoke_session):
    for address in ("postgresql", "postgresql+psycopg", "postgresql+psycopg2"):
        url = os.environ["DATABASE_URL"].replace("postgresql", address, 1)
        engine = create_engine(url, pool_pre_ping=True, isolation_level="SERIALIZABLE")
        for n in (2, 3):
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO t (n) VALUES (:n)"), {"n": n})
    assert app.count() == 7


@smoke(writes=True, nested_commits=True)
@pytest.mark.parametrize("address", ["postgresql+asyncpg", "postgresql+psycopg"])
def test_asynchronous_engines(address, erm_smoke_session, erm_smoke_async_session):
    engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql", address, 1), pool_pre_ping=True)

    async def work():
        make = async_sessionmaker(engine)
        for n in (2, 3):
            async with make() as session:
                session.add(Row(n=n))
                await session.commit()
        async with make() as session:
            session.add(Row(n=4))
            await session.flush()
            assert len((await erm_smoke_async_session.scalars(select(Row))).all()) == 4
            assert len((await erm_smoke_async_session.execute(text("SELECT * FROM t"))).all()) == 4
        async with engine.connect() as connection:
            assert len([row async for row in await connection.stream(many)]) == 3000
        await engine.dispose()

    asyncio.run(work())
    assert app.count() == 3


@smoke(writes=True)
def test_transactions_of_several_threads_overlap():
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: app.count(), range(20))) == {1}
        with app.Make() as late:
            with app.Make() as early:
                early.execute(text("SELECT 1"))
                threads.submit(late.execute, text("INSERT INTO t (n) VALUES (2)")).result()
            assert app.count() == 2
    assert app.count() == 1


@smoke
def test_nothing_is_left_of_the_others():
    assert app.count() == 1
    with app.Make() as session:
        assert session.scalar(text("SHOW search_path")) == '"$user", public'
"""
# Each must fail, and leave nothing; the words are those of the reason.
BAD = """
import asyncio
import os
import socket
import subprocess
import sys

import asyncpg
import psycopg
import psycopg2
from psycopg2 import sql
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

import app

smoke = pytest.mark.erm_smoke
INSERT = text("INSERT INTO t (n) VALUES (2)")


@smoke
def test_writes_without_saying_so(erm_smoke_session):  # INSERT changes rows
    erm_smoke_session.execute(INSERT)


@smoke
def test_writes_within_a_query(erm_smoke_session):  # read-only transaction
    erm_smoke_session.execute(text("WITH a AS (INSERT INTO t (n) VALUES (2) RETURNING n) SELECT * FROM a"))


@smoke(writes=True)
def test_commits(erm_smoke_session):  # wants to commit
    erm_smoke_session.execute(INSERT)
    erm_smoke_session.commit()


@smoke(writes=True)
def test_commits_and_goes_on():  # wants to commit
    try:
        app.add(2)
    except Exception:
        pass


@smoke(writes=True)
def test_calls_what_commits():  # wants to commit
    app.add(2)


@smoke
def test_commits_by_text(erm_smoke_connection):  # because it commits
    erm_smoke_connection.exec_driver_sql("SELECT 1; COMMIT")


@smoke(writes=True)
def test_commits_each_statement():  # switch autocommit on
    with create_engine(os.environ["DATABASE_URL"], isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(INSERT)


@smoke(writes=True, nested_commits=True)
def test_commits_each_statement_for_good():  # switch autocommit on
    with create_engine(os.environ["DATABASE_URL"], isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(INSERT)


class Changing(str):
    def __str__(self):
        return "SELECT 1"


class Composed(sql.SQL):
    def as_string(self, context):
        self.__dict__["asked"] = self.__dict__.get("asked", 0) + 1
        return "SELECT 1" if self.asked == 1 else "COMMIT"


@smoke
def test_shows_another_text(erm_smoke_connection):  # because it commits
    erm_smoke_connection.connection.cursor().execute(Composed("SELECT 1"))
    erm_smoke_connection.connection.cursor().execute(Changing("COMMIT"))


@smoke
def test_makes_a_large_object(erm_smoke_connection):  # makes and changes no large object
    erm_smoke_connection.connection.dbapi_connection.lobject(0, "wb")


@smoke
def test_connects_by_psycopg2():  # opens a connection of its own
    psycopg2.connect(host="127.0.0.1", dbname="t")


@smoke
def test_connects_by_psycopg():  # opens a connection of its own
    psycopg.connect("host=127.0.0.1 dbname=t")


@smoke
def test_connects_by_asyncpg():  # opens a connection of its own
    asyncio.run(asyncpg.connect("postgresql://127.0.0.1/t"))


@smoke
def test_connects_by_an_engine():  # another address than the target's
    create_engine("postgresql://127.0.0.1/t").connect()


@smoke
def test_connects_by_an_asynchronous_engine():  # another address than the target's
    async def connect():
        async with create_async_engine("postgresql+asyncpg://127.0.0.1/t").connect():
            pass

    asyncio.run(connect())


@smoke
def test_connects_by_psql():  # whatever psql connects to
    subprocess.run(["psql", "-c", "DELETE FROM t"])


@smoke
def test_connects_by_a_socket():  # connects to nothing but its database
    socket.create_connection(("127.0.0.1", 5432))


@smoke
def test_takes_too_long(erm_smoke_session):  # statement timeout
    erm_smoke_session.execute(text("SET statement_timeout = 0"))
    erm_smoke_session.execute(text("SELECT pg_sleep(60)"))


@smoke
def test_tells_all_it_knows(erm_smoke_session):  # AssertionError
    connection = erm_smoke_session.connection().connection.dbapi_connection
    told = [connection.dsn, connection.info.password, erm_smoke_session.bind, dict(os.environ), sys.argv]
    assert not told, (told, os.environ.get("PGPASSWORD"), os.environ.get("DB_PASSWORD"))


@smoke(writes=True)
@pytest.mark.xfail(strict=True)
def test_commits_as_expected():  # xfailed
    app.add(2)


@smoke(writes=True)
def test_commits_past_everything(erm_smoke_connection):  # had ended before the test did
    erm_smoke_connection.execute(INSERT)
    psycopg2.extensions.connection.commit(erm_smoke_connection.connection.dbapi_connection)


@smoke
def test_that_comes_after_it():  # not reached
    pass
"""


def make_project(folder: Path, tests: str, configuration: str = CONFIGURATION) -> Path:
    """A project whose tests are one file."""
    (folder / "tests").mkdir()
    (folder / "erm.yaml").write_text(configuration)
    (folder / "app.py").write_text(APPLICATION)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (folder / "tests" / "test_smoke.py").write_text(tests)
    return folder


def run_smoke(folder: Path, database: Database, *arguments: str, code: int = 0, **env: str | None) -> Any:
    """Run the smoke tests; the object that the command prints."""
    told = {"ERM_DATABASE_URL": database.url, "DATABASE_URL": "postgresql://elsewhere.example/other", **ALONE, **env}
    done = run_erm("smoke", "--format", "json", *arguments, cwd=folder, env=told)
    assert done.returncode == code, (done.stdout[-3000:], done.stderr[-3000:])
    return json.loads(done.stdout)


def outcomes(document: Any) -> dict[str, str]:
    """How each test ended."""
    return {test["id"].partition("::")[2]: test["outcome"] for test in document["tests"]}


SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'erm smoke%'"


def is_untouched(database: Database) -> bool:
    """Whether the table has its one row, and nobody of the run is there any more."""
    tables = database.execute(
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    return (database.execute("SELECT n FROM t"), database.execute(SESSIONS), tables) == ([(1,)], [(0,)], [(1,)])
