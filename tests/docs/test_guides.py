"""The guides: what they have a reader type exists, and what they have a reader write runs."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from erm_alembic import migrate
from erm_alembic.cli.main import COMMANDS
from erm_alembic.revisions.project import AlembicOptions
from tests.docs.walking import blocks, write_file
from tests.faults.deploying import Project
from tests.support.cli import REPOSITORY
from tests.support.databases import Database

DOCS = REPOSITORY / "docs"
PAGES = tuple(
    path.relative_to(DOCS).as_posix() for path in [*sorted((DOCS / "guides").glob("*.md")), DOCS / "start.md"]
)
TYPED = re.compile(r"^(?: {4,}|\$ )(erm .*)$", re.MULTILINE)


def written(page: str, folder: Path) -> list[bool]:
    """Write the files of a guide; whether each of its blocks is one."""
    return [write_file(block, folder) for block in blocks((DOCS / page).read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_guide_exists(page: str) -> None:
    """Each `erm ...` names a command, and options that it has."""
    known = {command.name: command for command in COMMANDS}
    for line in TYPED.findall((DOCS / page).read_text(encoding="utf-8")):
        words = shlex.split(line.partition(" || ")[0].partition("  #")[0])
        assert words[1] in known, line
        command: Any = known[words[1]].load()
        if len(words) > 2 and words[2] in getattr(command, "commands", {}):
            command = command.commands[words[2]]
        has = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
        typed = words[: words.index("--")] if "--" in words else words
        assert [word for word in typed if word.startswith("-") and word.partition("=")[0] not in has] == [], line


def test_a_schema_for_each_tenant(one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The env.py of the guide keeps tenants apart, whatever they are called."""
    project = Project(tmp_path, one_database)
    project.table("a1", "orders")
    assert written("guides/multi-tenant.md", tmp_path) == [True]
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    (tmp_path / "erm.yaml").touch()
    for tenant in ("acme", "o'\"hara %s"):
        one_database.execute('CREATE SCHEMA "{}"'.format(tenant.replace('"', '""')))
        options = AlembicOptions(x=(f"tenant={tenant}",))
        done = migrate.apply(config=tmp_path / "erm.yaml", options=options)
        assert (done.outcome.result, done.outcome.error) == ("done", None)
        found = one_database.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", tenant)
        assert found == [("alembic_version",), ("orders",)]


def test_an_application_with_replicas(one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application of the guide answers with what was written, also while its replica cannot be reached."""
    testing = pytest.importorskip("fastapi.testclient")
    one_database.execute("CREATE TABLE notes (id serial PRIMARY KEY, text text NOT NULL)")
    assert written("guides/replicas-with-fastapi.md", tmp_path) == [True, True]
    monkeypatch.setenv("DATABASE_URL", one_database.url)
    monkeypatch.setenv("REPLICA_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("CAUSAL_SECRET", "of a test")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        import app  # type: ignore[import-not-found]  # the guide's, just written

        with testing.TestClient(app.app) as client:
            assert client.post("/notes", params={"text": "first"}).status_code == 200
            assert client.get("/notes").json() == client.get("/notes/exact").json() == ["first"]
    finally:
        sys.modules.pop("app", None)
