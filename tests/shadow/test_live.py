"""Where the history cannot make the schema, or another major stands in the way, the live schema is taken over."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

import pytest

from erm_alembic.errors import ShadowUnavailable
from erm_alembic.postgres.snapshot import differences
from erm_alembic.shadow.opened import Shadow, open_shadow
from tests.faults.deploying import Project
from tests.shadow.projects import TABLES, asked, opened, shadow_of
from tests.support.databases import ServerPool, fresh_database, one_per_major

AVAILABLE = "SELECT name FROM pg_available_extensions"
FROM_LIVE = "shadow: {from: live}\n"


@contextlib.contextmanager
def live_shadow(project: Project, monkeypatch: pytest.MonkeyPatch, *current: str) -> Iterator[Shadow]:
    """The shadow of a target that records some revisions."""
    found = opened(project, monkeypatch)
    with open_shadow(found.settings, found.project, found.target, current=current) as shadow:
        yield shadow


def test_a_history_without_a_beginning_starts_from_the_live_schema(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shadow has the live tables without their rows, records what the target does, and goes on from there."""
    assert project.database is not None
    project.database.execute("CREATE TABLE by_hand (id int PRIMARY KEY, name text DEFAULT 'it''s; %s')")
    project.database.execute("INSERT INTO by_hand VALUES (1, 'Ada')")
    project.revision("a1", 'op.add_column("by_hand", sa.Column("more", sa.Integer))')
    project.revision("b2", 'op.add_column("by_hand", sa.Column("most", sa.Integer))', down="a1")
    assert project.apply("--to", "a1").returncode == 0
    project.config(FROM_LIVE)
    with live_shadow(project, monkeypatch, "a1") as shadow:
        with shadow.at(["a1"]) as database:
            assert asked(database.url, TABLES) == ["alembic_version", "by_hand"]
            assert asked(database.url, "SELECT version_num FROM alembic_version") == ["a1"]
            assert asked(database.url, "SELECT count(*)::int FROM by_hand") == [0]
            assert asked(database.url, "SELECT to_regnamespace('erm') IS NULL") == [True]
        with shadow.at(["b2"]) as database:
            columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'by_hand'::regclass AND attnum > 0"
            assert asked(database.url, columns) == ["id", "name", "more", "most"]


def test_the_live_schema_is_the_same_in_the_shadow(project_of_major: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a history makes, and what the live database has of it, look alike in the shadow's server."""
    project = project_of_major
    project.table("a1", "first")
    project.revision(
        "b2",
        """
        op.execute("CREATE TYPE mood AS ENUM ('so', 'la la')")
        op.execute('CREATE TABLE "Od.d %" (id serial, m mood DEFAULT $$so$$, CHECK (id > 0))')
        op.execute("CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $q$ SELECT ';' $q$")
        op.execute('CREATE VIEW v AS SELECT m FROM "Od.d %"')
        """,
        down="a1",
    )
    assert project.apply().returncode == 0
    with shadow_of(project, monkeypatch) as shadow:
        made, live = shadow.catalog_at(["b2"], ["erm"]), shadow.catalog_of_live(["erm"])
        assert differences(made.snapshot, live.snapshot) == ()
        assert made.fingerprint == live.fingerprint


def test_a_server_of_another_major(server_pool: ServerPool, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older server's schema, taken over into the newer one, shows no drift; the shadow says that it is another."""
    majors = one_per_major()
    if len(majors) < 2:
        pytest.skip("this machine has PostgreSQL of one major version only")
    with fresh_database(server_pool.server(majors[0])) as old:
        older = Project(project.root, old, env=dict(project.env))
        older.table("a1", "first")
        older.revision("b2", 'op.execute("ALTER TABLE first ADD UNIQUE (id), ADD a text NOT NULL")', down="a1")
        assert older.apply().returncode == 0
        with shadow_of(older, monkeypatch) as shadow:
            made, live = shadow.catalog_at(["b2"], ["erm"]), shadow.catalog_of_live(["erm"])
            assert not shadow.exact_major
            assert f"The shadow is PostgreSQL {majors[-1].major}" in " ".join(made.notes)
            assert differences(made.snapshot, live.snapshot) == ()


def test_an_extension_whose_files_the_shadow_lacks(
    server_pool: ServerPool, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its functions and types are stood in for, in replays and in the live schema alike, of the target's version."""
    majors = one_per_major()
    names = [set(asked(server_pool.server(each).url("postgres"), AVAILABLE)) for each in (majors[0], majors[-1])]
    lacking = sorted((names[0] - names[1]) & {"pgcrypto", "uuid-ossp", "hstore", "citext"})
    if not lacking:
        pytest.skip("the newest server of this machine has all the extensions of the oldest one")
    extension = lacking[-1]
    with fresh_database(server_pool.server(majors[0])) as old:
        older = Project(project.root, old, env=dict(project.env))
        older.revision("a1", f"""op.execute('CREATE EXTENSION "{extension}"')""")
        older.table("b2", "first", down="a1")
        assert older.apply().returncode == 0
        with shadow_of(older, monkeypatch) as shadow:
            made, live = shadow.catalog_at(["b2"], ["erm"]), shadow.catalog_of_live(["erm"])
            assert any(f"has no extension {extension}" in note for note in made.notes)
            assert differences(made.snapshot, live.snapshot) == ()


def test_what_an_administrator_made_is_there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that needs a schema and an extension that it does not make finds the target's, which the notes say."""
    assert project.database is not None
    project.database.execute("CREATE SCHEMA app")
    project.database.execute("CREATE EXTENSION citext WITH SCHEMA app")
    project.revision("a1", 'op.execute("CREATE TABLE app.t (name app.citext)")')
    project.revision("b2", 'op.execute("CREATE SCHEMA app")\nop.execute("CREATE EXTENSION citext")', down="a1")
    with shadow_of(project, monkeypatch) as shadow, shadow.at(["b2"]) as database:
        assert any("the target's schemas and extensions are there beforehand" in note for note in database.notes)
        assert asked(database.url, "SELECT to_regclass('app.t') IS NOT NULL") == [True]


def test_without_pg_dump_the_shadow_is_unknown(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program that reads the live schema: the reason is told, and nothing is guessed."""
    project.table("a1", "first")
    monkeypatch.setattr("erm_alembic.shadow.live._programs", lambda: iter(()))
    refused = pytest.raises(ShadowUnavailable, match="There is no pg_dump on this machine")
    with shadow_of(project, monkeypatch) as shadow, refused, shadow.from_live():
        pass


def test_the_password_is_not_in_the_command_line(
    project: Project, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pg_dump gets it where only its own user can read it."""
    project.table("a1", "first")
    assert project.url is not None
    project.url = project.url.replace("postgresql://postgres@", f"postgresql://postgres:{secret}@")
    lines: list[str] = []
    real = subprocess.run

    def noting(argv: list[str], **kw: object) -> object:
        lines.append(" ".join(map(str, argv)))
        return real(argv, **kw)  # type: ignore[call-overload]

    monkeypatch.setattr("erm_alembic.shadow.live.subprocess.run", noting)
    with shadow_of(project, monkeypatch) as shadow, shadow.from_live() as database:
        assert asked(database.url, "SELECT 1") == [1]
    assert any("--schema-only" in line for line in lines)
    assert not any(secret in line for line in lines)
