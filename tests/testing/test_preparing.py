"""Templates on a server of one's own: used, made again, told of."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from erm_alembic.errors import ErmError, TargetError
from erm_alembic.testing.options import Chosen
from erm_alembic.testing.sandbox.sandbox import Sandbox
from tests.support.cli import REPOSITORY
from tests.support.databases import Database
from tests.testing.applications import Application


@pytest.fixture
def named(tmp_path: Path, one_database: Database, named_server: Database) -> Chosen:
    """The choice of a server of one's own."""
    Application(tmp_path)
    return Chosen(tmp_path, url=one_database.url)


def test_a_server_that_was_named_is_used_and_its_database_left_alone(named: Chosen, one_database: Database) -> None:
    """Databases are made beside the one that the address names, and dropped again."""
    with Sandbox(named, None, None, "run") as sandbox:
        with sandbox.database() as first, sandbox.database() as second:
            assert first.name != second.name
            one_database.execute("CREATE TABLE own (id int)")
            beside = one_database.execute(
                "SELECT datname FROM pg_database WHERE datname = ANY(%s)", [first.name, second.name]
            )
            assert len(beside) == 2
        assert sandbox.heads == ("b2",)
    assert one_database.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [
        ("own",)
    ]
    assert one_database.execute("SELECT FROM pg_database WHERE datname = ANY(%s)", [first.name, second.name]) == []


def test_a_template_that_is_gone_is_made_again(named: Chosen, one_database: Database) -> None:
    """Somebody has dropped it between two tests."""
    with Sandbox(named, None, "INSERT INTO notes VALUES (1, 'a')", "run") as sandbox:
        with sandbox.database():
            pass
        for (name,) in one_database.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'erm_shadow_template_%'"
        ):
            one_database.execute(f'DROP DATABASE "{name}"')
        with sandbox.database() as database, closing(psycopg2.connect(database.dsn)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT words FROM notes")
            assert cursor.fetchall() == [("a",)]


def test_a_branch_that_depends_on_another_one_is_applied(tmp_path: Path, named_server: Database) -> None:
    """A database records one of two heads then, and has both."""
    shutil.copytree(REPOSITORY / "tests" / "projects" / "branches", tmp_path / "branches")
    chosen = Chosen(tmp_path / "branches", url=named_server.url)
    with Sandbox(chosen, None, None, "run") as sandbox, sandbox.database() as database:
        assert set(sandbox.heads) == {"b2", "c4"}
        with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT version_num FROM alembic_version")
            assert cursor.fetchall() == [("b2",)]


@pytest.mark.parametrize(
    ("prepare", "seed", "told"),
    [
        ("CREATE EXTENSION nothing_like_it", None, "The server of the tests has no extension nothing_like_it"),
        ("SELECT 1 FROM nowhere", None, 'The SQL of erm_prepare fails: relation "nowhere" does not exist'),
        (None, "INSERT INTO notes (id) VALUES (1)", "The SQL of erm_seed fails: null value in column"),
    ],
)
def test_what_cannot_be_prepared_is_told(named: Chosen, prepare: str | None, seed: str | None, told: str) -> None:
    """An extension that is missing is never stood in for: a test would say nothing."""
    with Sandbox(named, prepare, seed, "run") as sandbox, pytest.raises(ErmError) as refused:
        sandbox.make_template()
    assert refused.value.what.startswith(told)
    assert (refused.value.effect, bool(refused.value.cure)) == ("No test database was made.", True)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"url": "embedded://notes"}, "--erm-url (or erm_url) names an embedded:// database."),
        (
            {"url": "${NOT_SET_ANYWHERE}"},
            "erm_url (--erm-url) cannot be read: the variable NOT_SET_ANYWHERE is not set.",
        ),
        ({"url": "postgresql://nobody@127.0.0.1:1/x"}, "The server of the tests refuses: "),
        ({"major": 9}, "There is no PostgreSQL 9 on this machine, which erm_postgres asks for"),
    ],
)
def test_a_server_that_cannot_be_had_is_told(tmp_path: Path, chosen: dict[str, str], told: str) -> None:
    """With where it was named."""
    Application(tmp_path)
    with pytest.raises(ErmError) as refused:
        Sandbox(Chosen(tmp_path, **chosen), None, None, "run")  # type: ignore[arg-type]
    assert refused.value.what.startswith(told)
    assert isinstance(refused.value, TargetError) or "NOT_SET" in told
