"""Databases and sessions for tests: what a test finds, what it leaves, and when the template is made."""

from __future__ import annotations

import re

import pytest

from erm_alembic.testing.options import Chosen
from erm_alembic.testing.sandbox.sandbox import Sandbox
from tests.support.databases import Database
from tests.testing.applications import SECOND, Application
from tests.testing.running import Run, tried

# A revision that leaves a line in a file each time that it runs.
NOTING = SECOND + '; open("ran", "a").write("once\\n")'
BACK = 'op.alter_column("notes", "words", nullable=True)'
PREPARED = "CREATE ROLE readers; CREATE SCHEMA attic"
CONFTEST = """
import pytest
from sqlalchemy import text


@pytest.fixture(scope="session")
def erm_prepare():
    return PREPARED_TEXT


@pytest.fixture(scope="session")
def erm_seed():
    def seed(engine):
        with open("seeded", "a") as file:
            file.write("once\\n")
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO notes (id, words) VALUES (0, 'seeded')"))

    return seed
"""
TESTS = """
import asyncio

import psycopg2
import pytest
from notes import Note
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import Session

MADE = []
COUNT = select(func.count()).select_from(Note)


def test_commits(erm_session, erm_sessionmaker, erm_connection):
    erm_session.add(Note(id=1, words="a"))
    erm_session.commit()
    erm_session.add(Note(id=2, words="b"))
    erm_session.rollback()
    with erm_sessionmaker.begin() as other:
        other.add(Note(id=3, words="c"))
    assert erm_connection.scalar(COUNT) == 3


def add(n):
    return Note.__table__.insert().values(id=n, words="core")


def ids(connection):
    return sorted(connection.scalars(select(Note.id)))


def test_core_code_commits(erm_connection, erm_session):
    erm_connection.execute(add(1))
    erm_connection.commit()
    erm_connection.execute(add(2))
    erm_connection.rollback()
    with erm_connection.begin():
        erm_connection.execute(add(3))
        with pytest.raises(InvalidRequestError):
            erm_connection.begin()
    with pytest.raises(ZeroDivisionError), erm_connection.begin() as transaction:
        erm_connection.exec_driver_sql("INSERT INTO notes VALUES (4, 'core')")
        1 / 0
    assert not transaction.is_active
    with pytest.raises(IntegrityError):
        erm_connection.execute(add(3))
    erm_connection.rollback()
    erm_connection.begin()
    erm_connection.execute(add(5))
    erm_connection.commit()
    erm_connection.rollback()
    assert ids(erm_connection) == [0, 1, 3, 5]
    erm_connection.rollback()
    assert ids(erm_session) == [0, 1, 3, 5]
    erm_session.add(Note(id=6, words="a"))
    erm_session.flush()
    erm_connection.execute(add(7))
    erm_connection.commit()
    erm_session.commit()
    erm_connection.rollback()
    assert ids(erm_connection) == [0, 1, 3, 5, 6, 7]


def test_core_code_commits_while_a_session_is_open(erm_connection, erm_session):
    erm_connection.execute(add(1))
    erm_session.add(Note(id=2, words="a"))
    erm_session.flush()
    erm_connection.commit()
    erm_session.commit()
    erm_connection.execute(add(3))
    erm_connection.rollback()
    erm_connection.rollback()
    assert ids(erm_connection) == [0, 1, 2]
    erm_session.add(Note(id=4, words="a"))
    erm_session.flush()
    erm_connection.rollback()
    erm_session.close()
    assert ids(erm_session) == [0, 1, 2]


@pytest.mark.asyncio
async def test_core_code_commits_in_a_loop(erm_async_connection):
    assert await erm_async_connection.scalar(COUNT) == 1
    async with erm_async_connection.begin():
        await erm_async_connection.execute(add(1))
    await erm_async_connection.execute(add(2))
    await erm_async_connection.rollback()
    await erm_async_connection.execute(add(3))
    await erm_async_connection.commit()
    await erm_async_connection.rollback()
    assert await erm_async_connection.scalar(COUNT) == 3


def test_the_driver_commits(erm_connection):
    erm_connection.execute(add(1))
    erm_connection.connection.commit()


def test_finds_only_the_seed(erm_session):
    assert erm_session.scalars(select(Note.words)).all() == ["seeded"]


def test_escapes(erm_session):
    MADE.append(erm_session.scalar(text("SELECT current_database()")))
    erm_session.add(Note(id=1, words="a"))
    erm_session.flush()
    erm_session.execute(text("COMMIT"))


def test_loses_its_connection(erm_session):
    assert erm_session.scalar(text("SELECT current_database()")) not in MADE
    assert erm_session.scalar(COUNT) == 1
    erm_session.connection().invalidate()


def test_uses_the_session_no_more(erm_session):
    erm_session.add(Note(id=1, words="a"))
    erm_session.commit()
    erm_session.connection().close()


class Counting(Session):
    pass


class TestOfPsycopg:
    @pytest.fixture
    def erm_driver(self):
        return "psycopg"

    @pytest.fixture
    def erm_session_options(self):
        return {"class_": Counting, "info": {"whose": "ours"}}

    def test_has_that_driver(self, erm_session, erm_engine):
        assert isinstance(erm_session, Counting) and erm_session.info == {"whose": "ours"}
        assert erm_session.connection().dialect.driver == erm_engine.dialect.driver == "psycopg"
        assert erm_session.scalar(COUNT) == 1


@pytest.mark.asyncio
async def test_in_a_loop_of_its_own(erm_async_session, erm_async_sessionmaker):
    erm_async_session.add(Note(id=1, words="a"))
    await erm_async_session.commit()
    async with erm_async_sessionmaker.begin() as other:
        other.add(Note(id=2, words="b"))
    assert await erm_async_session.scalar(COUNT) == 3


@pytest.mark.asyncio(loop_scope="module")
class TestOfPsycopgInALoopOfTheModule:
    @pytest.fixture
    def erm_async_driver(self):
        return "psycopg"

    async def test_has_that_driver(self, erm_async_session, erm_async_connection):
        assert erm_async_connection.dialect.driver == "psycopg"
        assert await erm_async_session.scalar(COUNT) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_with_anyio(erm_async_session, erm_async_engine):
    erm_async_session.add(Note(id=1, words="a"))
    await erm_async_session.commit()
    async with erm_async_engine.connect() as connection:
        assert await connection.scalar(COUNT) == 1


@pytest.mark.asyncio
async def test_escapes_from_a_loop(erm_async_session):
    await erm_async_session.execute(text("INSERT INTO notes VALUES (7, 'x')"))
    await erm_async_session.execute(text("COMMIT"))


def test_without_a_loop(erm_async_session):
    pass


def test_does_as_it_likes(erm_database, erm_engine):
    MADE.append(erm_database.dsn)
    connection = create_engine(erm_database.url).connect()  # never closed
    connection.execute(text("DROP TABLE notes"))
    connection.commit()
    connection.execute(text("LISTEN nothing"))
    assert "password" not in repr(erm_database)


def test_finds_a_new_one(erm_database, erm_engine):
    with erm_engine.connect() as connection:
        assert connection.scalar(COUNT) == 1
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "b2"
        assert connection.scalar(text("SELECT to_regnamespace('erm')")) is None
        assert connection.scalar(text("SELECT to_regnamespace('attic')")) is not None
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        psycopg2.connect(MADE[-1])


def test_makes_further_ones(erm_database_factory):
    def one(database, statement):
        with create_engine(database.url).connect() as connection:
            return connection.scalar(text(statement))

    former, empty = erm_database_factory(revision="a1"), erm_database_factory(empty=True)
    assert one(former, "SELECT version_num FROM alembic_version") == "a1"
    assert one(former, "SELECT count(*) FROM notes") == 0
    assert one(empty, "SELECT to_regclass('notes')") is None
    assert len({database.name for database in (former, empty, erm_database_factory())}) == 3


def test_asks_for_no_revision(erm_database_factory):
    erm_database_factory(revision="zz")
"""
# Of a person who has the addresses of real databases at hand, and a password in them.
REAL = "postgresql://app:{password}@production.invalid/notes"


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """An application with tests of every fixture."""
    application = Application(tmp_path_factory.mktemp("notes"))
    application.revision("b2", NOTING, BACK, after="a1")
    application.write("conftest.py", CONFTEST.replace("PREPARED_TEXT", repr(PREPARED)))
    application.write("test_notes.py", TESTS)
    return application


@pytest.fixture(scope="module")
def first_run(application: Application, named_server: Database) -> Run:
    """How its tests went for the first time."""
    real = REAL.format(password="typed")
    variables = {"DATABASE_URL": real, "ERM_DATABASE_URL": real, "ERM_SHADOW_URL": real}
    return tried(application.folder, "-rA", "--erm-url", "${TESTS_RUN_ON}", TESTS_RUN_ON=named_server.url, **variables)


ESCAPING = ["test_the_driver_commits", "test_escapes", "test_escapes_from_a_loop"]
FAILING = {*ESCAPING, "test_without_a_loop", "test_asks_for_no_revision"}
PASSING = set(re.findall(r"def (test_\w+)", TESTS)) - FAILING


def test_each_test_finds_what_it_is_promised(first_run: Run) -> None:
    """What is committed in a session is gone, each driver and each loop is served, databases are a test's own."""
    names = {test: test for test in PASSING} | {"test_with_anyio": "test_with_anyio[asyncio]"}
    assert {test: first_run.outcome(name) for test, name in names.items()} == dict.fromkeys(PASSING, "PASSED")
    assert "typed" not in first_run.out + first_run.err


@pytest.mark.parametrize("test", ESCAPING)
def test_whoever_commits_the_outer_transaction_fails(first_run: Run, test: str) -> None:
    """Once, as itself, in words; and the others do not find what was written."""
    assert first_run.outcome(test) == "FAILED"
    assert first_run.told(test).splitlines() == [
        "This test has committed the transaction of erm_session: by COMMIT in a text, or commit() of the driver's own.",
        "What it wrote stays; the next test gets a new database.",
        "Commit the session or erm_connection, which end a savepoint, or use erm_database: there a test may do as it"
        " likes.",
    ]


def test_what_cannot_be_had_is_told_in_words(first_run: Run) -> None:
    """A test without a loop, and a revision that there is not."""
    assert first_run.told("test_without_a_loop").splitlines() == [
        "erm_async_session is for tests that run in an event loop, and this one does not.",
        "Mark it with pytest.mark.asyncio (pytest-asyncio) or pytest.mark.anyio (anyio).",
    ]
    assert first_run.told("test_asks_for_no_revision").splitlines() == [
        "'zz' is no revision of the project.",
        "No test database was made.",
        "Write the id of a revision, as `erm history` and its file have it.",
    ]


def test_revisions_run_again_only_when_something_has_changed(
    application: Application, first_run: Run, named_server: Database
) -> None:
    """A function seeds each run, once; what the revisions make is kept, unless somebody asks for a fresh one."""

    def lines(name: str) -> int:
        return len((application.folder / name).read_text("utf-8").splitlines())

    def again(run: str, *, fresh: bool = False) -> int:
        chosen = Chosen(application.folder, url=named_server.url, fresh=fresh)
        for _ in ("one process", "another process"):
            with Sandbox(chosen, PREPARED, lambda engine: seeded.append(run), run) as sandbox:
                sandbox.make_template()
        return lines("ran")

    seeded: list[str] = []
    assert (first_run.outcome("test_finds_only_the_seed"), lines("ran"), lines("seeded")) == ("PASSED", 1, 1)
    assert (again("second"), seeded) == (1, ["second"])
    assert (again("third", fresh=True), seeded) == (2, ["second", "third"])
