"""A baseline of a database with something of every kind makes it again, on the oldest and the newest server."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import psycopg2

from tests.faults.deploying import Project
from tests.snapshot.schema import OWNER, SECRET, fill
from tests.support.databases import Database, fresh_database

# What the snapshot's own schema has not.
BESIDES = """
    CREATE EXTENSION IF NOT EXISTS plpgsql;
    CREATE TABLE app.countries (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text UNIQUE,
      eu boolean GENERATED ALWAYS AS (code <> 'ch') STORED, note text);
    INSERT INTO app.countries (code, note) VALUES ('de', 'it''s; %s :x'), ('ch', E'a\\\\b\\nc');
    CREATE TABLE "select"."par ted" (a integer, b text) PARTITION BY LIST (a);
    CREATE TABLE "select"."par ""1" PARTITION OF "select"."par ted" FOR VALUES IN (1);
    INSERT INTO "select"."par ted" VALUES (1, 'x');
    CREATE FUNCTION app.restricted() RETURNS text LANGUAGE sql AS $f$
SELECT '
\\restrict abc
\\unrestrict abc
'::text$f$;
    CREATE MATERIALIZED VIEW app.filled_too AS SELECT a FROM app.filled;
    SELECT lo_create(0);
"""


def filled(database: Database) -> None:
    """The database with something of every kind."""
    connection = psycopg2.connect(database.url)
    connection.autocommit = True
    try:
        cursor = connection.cursor()
        fill(cursor)
        cursor.execute('CREATE SCHEMA "select"')
        cursor.execute(BESIDES)
        if connection.server_version >= 150000:
            cursor.execute("CREATE UNIQUE INDEX ON app.countries (note) NULLS NOT DISTINCT")
    finally:
        connection.close()


def answer(project: Project, *args: str, url: str | None = None) -> tuple[int, dict[str, Any], str]:
    """The exit code, the JSON and stderr of `erm`, with the shadow."""
    done = project.erm(*args, "--format", "json", ERM_NO_SHADOW=None, ERM_DATABASE_URL=url or project.url)
    return done.returncode, json.loads(done.stdout), done.stderr


def test_a_baseline_of_every_kind_makes_it_again(project_of_major: Project, database: Database) -> None:
    """With owners and rows nothing differs, no secret is written, and another database gets the same."""
    project = project_of_major
    filled(database)
    code, told, err = answer(
        project, "baseline", "--owners", "--yes", "--with-data", "app.countries", "--with-data", '"select"."par ted"'
    )
    assert (code, told["proof"]["verdict"], told["state"]) == (0, "same", "recorded"), (told, err)
    assert any(OWNER in note for note in told["notes"])
    assert any("large objects" in note for note in told["notes"])
    written = "".join(path.read_text(encoding="utf-8") for path in project.versions.iterdir() if path.is_file())
    assert SECRET not in written and SECRET not in json.dumps(told) + err
    assert "CREATE USER MAPPING FOR public SERVER srv" in written
    assert "host 'db'" in written

    assert [run["mode"] for run in project.runs()] == ["baseline"]
    assert database.execute("SELECT count(*) FROM app.countries") == [(2,)]

    with fresh_database(database.server) as fresh:
        applied = project.erm("migrate", ERM_DATABASE_URL=fresh.url)
        assert applied.returncode == 0, applied.stderr
        assert fresh.execute("SELECT id, code, eu, note FROM app.countries ORDER BY id") == [
            (1, "de", True, "it's; %s :x"),
            (2, "ch", False, "a\\b\nc"),
        ]
        assert fresh.execute('SELECT b FROM "select"."par ""1"') == [("x",)]
        assert fresh.execute("INSERT INTO app.countries (code) VALUES ('fr') RETURNING id") == [(3,)]
        assert fresh.execute("SELECT a FROM app.filled_too") == [(1,)]
        assert "\\restrict abc" in fresh.execute("SELECT app.restricted()")[0][0]


def test_plain_alembic_finds_the_session_as_it_was(project: Project, one_database: Database) -> None:
    """search_path, checks of function bodies and the rest are given back in the same transaction: Alembic finds its
    version table, and the next revision its schema. Neither the revision nor its scripts need erm."""
    one_database.execute("CREATE TABLE users (id integer)")
    code, told, err = answer(project, "baseline", "--no-record")
    assert (code, told["state"]) == (0, None), err
    asked = ", ".join(
        f"current_setting('{name}')" for name in ("search_path", "check_function_bodies", "default_table_access_method")
    )
    project.revision("002", f"op.execute(\"CREATE TABLE told AS SELECT concat_ws('|', {asked}) AS it\")", down="001")
    env = project.root / "migrations" / "env.py"
    path = 'connection.exec_driver_sql("SET search_path TO mine, public"); connection.commit(); '
    env.write_text(env.read_text("utf-8").replace("context.configure(", f"{path}context.configure("), "utf-8")
    with fresh_database(one_database.server) as fresh:
        fresh.execute("CREATE SCHEMA mine")
        url = fresh.url.replace("postgresql:", "postgresql+psycopg2:").replace("%", "%%")
        ini = f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {url}\n"
        (project.root / "alembic.ini").write_text(ini, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "alembic", "upgrade", "head"],
            cwd=project.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert fresh.execute("SELECT it FROM mine.told") == [("mine, public|on|heap",)]
        assert fresh.execute("SELECT version_num FROM mine.alembic_version") == [("002",)]
        assert fresh.execute("SELECT count(*) FROM public.users") == [(0,)]
