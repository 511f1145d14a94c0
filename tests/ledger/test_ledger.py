"""What the ledger keeps of every run, whoever the revisions run as and wherever it stands."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from erm_alembic import __version__
from erm_alembic.config.loader import load_settings
from erm_alembic.config.settings import LedgerSettings
from erm_alembic.ledger.mapping import keep_mapping, read_mapping
from erm_alembic.ledger.predictions import keep_predictions, read_times
from erm_alembic.ledger.store import open_ledger
from erm_alembic.target import open_target
from tests.faults.deploying import ENV_PY, Project, tables
from tests.support.databases import Database


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git whose commit could be recorded")
def test_what_a_run_leaves(project: Project, one_database: Database) -> None:
    """A run has who, host, commit, version, environment and times; a revision its duration, statements and source."""
    path = project.table("a1", "first")
    git = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], cwd=project.root, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project.root, check=True, capture_output=True, text=True)
    project.env["LOGNAME"] = "ann"
    assert project.apply().returncode == 0
    (run,) = project.history()
    assert {
        key: run[key] for key in ("mode", "environment", "who", "host", "erm_version", "git_commit", "outcome")
    } == {
        "mode": "apply",
        "environment": "dev",
        "who": "ann (postgres)",
        "host": socket.gethostname(),
        "erm_version": __version__,
        "git_commit": commit.stdout.strip(),
        "outcome": "done",
    }
    assert datetime.fromisoformat(run["started_at"]) <= datetime.fromisoformat(run["finished_at"])
    (revision,) = run["revisions"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (revision["revision"], revision["message"], revision["statements"]) == ("a1", "make a1", 1)
    assert (revision["source_hash"], revision["error"]) == (digest, None)
    assert (revision["path"], revision["source"]) == ("migrations/versions/a1.py", path.read_text())
    assert revision["duration_ms"] >= 0
    kept = one_database.execute(
        "SELECT path, source, source_hash, backend_pid > 0 FROM erm.revision JOIN erm.run r ON r.id = run_id"
    )
    assert kept == [("migrations/versions/a1.py", path.read_text(), digest, True)]
    assert "erm" not in tables(one_database)


def test_history_in_order(project: Project) -> None:
    """The latest run is the first one in the history; `--limit` counts from there."""
    project.table("a1", "first")
    project.apply()
    project.apply("--mode", "rollback")
    done = project.erm("history", "--limit", "1", "--format", "json")
    assert [run["mode"] for run in json.loads(done.stdout)["runs"]] == ["rollback"]
    assert [run["mode"] for run in project.history()] == ["apply", "rollback"]


def test_a_run_without_revisions_leaves_none(project: Project) -> None:
    """Applying what is applied already is no run."""
    project.table("a1", "first")
    project.apply()
    assert project.apply().returncode == 0
    assert len(project.history()) == 1


def test_a_ledger_of_another_name(project: Project, one_database: Database) -> None:
    """`ledger.schema` moves the ledger, whatever it is called."""
    project.config("ledger: {schema: 'we \"ird\" 100%s'}\n")
    project.table("a1", "first")
    assert project.apply().returncode == 0
    assert [run["outcome"] for run in project.history()] == ["done"]
    assert one_database.execute('SELECT count(*) FROM "we ""ird"" 100%s".revision') == [(1,)]
    assert one_database.execute("SELECT FROM pg_namespace WHERE nspname = 'erm'") == []


def test_a_percent_sign_in_the_name_of_the_schema(one_database: Database, tmp_path: Path) -> None:
    """What is kept beside the runs is kept there too, and found again."""
    settings = load_settings(environ={"ERM_DATABASE_URL": one_database.url}, cwd=tmp_path)
    target = open_target(replace(settings, ledger=LedgerSettings("100%s of %(x)s")))
    with open_ledger(target) as ledger:
        ledger.create()
        run_id = ledger.start_run(
            mode="apply", environment="dev", role="app", backend_pid=1, git_commit=None, overrides=[]
        )
        row = [run_id, "a1", "m", "upgrade", datetime.now(UTC), 7, 1, "a1.py", "", "hash", "done", None]
        with ledger.connection.cursor() as cursor:
            cursor.execute(ledger.revision_insert(), row)
    keep_mapping(target, {("", "users"): frozenset({"id"})})
    keep_predictions(target, run_id, {"a1": (1.0, None)})
    mapped = read_mapping(target)
    assert mapped is not None and mapped.columns("public", "users") == {"id"}
    assert read_times(target) == (((1.0, None), 7.0),)


@pytest.fixture
def owner(one_database: Database) -> Iterator[str]:
    """A role without any right on the ledger, that may create tables in `public`."""
    role = f"owner_{one_database.name}"
    one_database.execute(f"CREATE ROLE {role}")
    one_database.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    try:
        yield role
    finally:
        one_database.execute(f"DROP OWNED BY {role} CASCADE")
        one_database.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize("how", ["env.py", "erm.yaml", "revision"])
def test_another_role_is_recorded_all_the_same(how: str, project: Project, one_database: Database, owner: str) -> None:
    """A role without rights on the ledger owns the tables; the login role writes the ledger in the same transaction."""
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    if how == "env.py":
        project.env_py(
            ENV_PY.replace("    context.conf", f"    connection.execute(text('SET ROLE {owner}'))\n    context.conf")
        )
    elif how == "erm.yaml":
        project.config(f"migrations: {{role: {owner}}}\n")
    else:
        path = project.versions / "b2.py"
        # Alembic's own table is written by whoever the revision ends as.
        become = f"op.execute('GRANT ALL ON alembic_version TO {owner}')\n    op.execute('SET ROLE {owner}')"
        path.write_text(path.read_text().replace("    op.create", f"    {become}\n    op.create"))
    done = project.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert [each["outcome"] for each in project.history()[0]["revisions"]] == ["done", "done"]
    assert one_database.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'second'") == [(owner,)]
    assert one_database.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'erm'") == [("postgres",)]
    rolled = project.apply("--mode", "rollback")
    assert rolled.returncode == 0, rolled.stdout + rolled.stderr


def test_plain_alembic_does_not_see_it(project: Project) -> None:
    """`alembic check` with all schemas included finds nothing to drop in the ledger."""
    import sys

    from tests.support.cli import erm_environment

    project.table("a1", "first")
    assert project.apply().returncode == 0
    assert project.url is not None
    (project.root / "alembic.ini").write_text(
        "[alembic]\nscript_location = migrations\nsqlalchemy.url = " + project.url.replace("%", "%%") + "\n"
    )
    project.env_py(
        ENV_PY.replace(
            "configure(connection=connection",
            "configure(connection=connection, include_schemas=True, target_metadata=metadata",
        ).replace(
            "engine =",
            "import sqlalchemy as sa\nmetadata = sa.MetaData()\n"
            "sa.Table('first', metadata, sa.Column('id', sa.Integer, primary_key=True))\nengine =",
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "check"],
        cwd=project.root,
        env=erm_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "No new upgrade operations detected." in done.stdout) == (0, True), done.stderr


def test_a_message_that_no_server_can_keep(project: Project) -> None:
    """A NUL in a revision's message is left out of the ledger, and stops no deployment."""
    path = project.table("a1", "first")
    path.write_text(path.read_text().replace("make a1", "make\\0 a1"))
    done = project.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.history()[0]["revisions"][0]["message"] == "make a1"


def test_an_encoding_that_lacks_a_character(project: Project, one_database: Database) -> None:
    """A revision with an emoji in it is deployed to a LATIN1 database, and comes back from the ledger as it was."""
    name = f"{one_database.name}_latin1"
    one_database.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        project.url = one_database.server.url(name)
        path = project.table("a1", "first")
        path.write_text(path.read_text(encoding="utf-8").replace("make a1", "café 🐘"), encoding="utf-8")
        source = path.read_bytes()
        done = project.apply()
        assert done.returncode == 0, done.stdout + done.stderr
        (revision,) = project.history()[0]["revisions"]
        assert (revision["message"], revision["outcome"]) == ("café \\U0001f418", "done")
        path.unlink()
        assert project.erm("history", "restore", "a1").returncode == 0
        assert path.read_bytes() == source
    finally:
        one_database.execute(f"DROP DATABASE {name} WITH (FORCE)")
