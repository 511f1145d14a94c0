"""What is wrong before a database is reached: no configuration, a broken one, a typo, another kind of database."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from erm_alembic import target
from erm_alembic.config.loader import load_settings
from erm_alembic.errors import ProjectError
from erm_alembic.opening import open_project
from tests.faults.deploying import Project, told
from tests.support.databases import Database


def offline(folder: Path, *args: str) -> tuple[int, list[str]]:
    """Plan a project that no ERM_DATABASE_URL belongs to."""
    return told(Project(folder).erm("migrate", "--mode", "plan", *args))


def test_nothing_configured(tmp_path: Path) -> None:
    """Without erm.yaml and variable the three ways to configure a database are shown, and nothing is written."""
    done = Project(tmp_path).erm("migrate", "--mode", "plan")
    assert told(done) == (
        2,
        [
            "error:  No database is configured.",
            "effect: Nothing was run.",
            "cure:   Configure it in one of three ways:",
        ],
    )
    assert "3. the variable ERM_DATABASE_URL=postgresql://USER@HOST/DATABASE" in done.stderr
    assert not (tmp_path / ".erm").exists()


INI = """\
[alembic]
script_location = migrations
sqlalchemy.url = postgresql+psycopg2://app:%s@db:5433/shop
"""


@pytest.mark.parametrize("command", ["migrate --mode plan", "status", "history", "gen -m x", "import-sql . --env dev"])
def test_the_address_in_alembic_ini_is_not_used_and_said(command: str, tmp_path: Path, secret: str) -> None:
    """Whoever has sqlalchemy.url in alembic.ini is told that erm does not use it, with the line that would."""
    (tmp_path / "alembic.ini").write_text(INI % secret, encoding="utf-8")
    code, lines = told(done := Project(tmp_path).erm(*command.split()))
    assert (code, lines[0]) == (
        2,
        "error:  No database is configured. The sqlalchemy.url of alembic.ini is not used.",
    )
    line = 'database: {url: "postgresql://app:${DB_PASSWORD}@db:5433/shop"}'
    assert lines[2] == f"cure:   To use that database, write into erm.yaml:  {line}"
    assert secret not in done.stderr


@pytest.mark.parametrize("command", ["migrate --mode plan", "status", "history", "gen -m x", "new x"])
def test_a_missing_project_is_the_first_thing_to_say(command: str, tmp_path: Path) -> None:
    """In an empty folder there is no sense in configuring a database."""
    from tests.support.cli import run_erm

    code, lines = told(run_erm(*command.split(), cwd=tmp_path))
    assert (code, lines[:2]) == (
        1,
        [f"error:  No Alembic project was found in {tmp_path}.", "effect: Nothing was done."],
    )


@pytest.mark.parametrize(
    ("named", "what"),
    [
        ("safety: {downgrades_since: nosuch}", "safety.downgrades_since: 'nosuch' is not a revision of this project."),
        ("safety: {rules: {missing_downgrad: error}}", "erm.yaml:1: safety.rules.missing_downgrad is not a rule"),
        ("drift: {severity: {tabel: error}}", "erm.yaml:1: drift.severity.tabel: tabel is no kind of object"),
    ],
)
@pytest.mark.parametrize("mode", ["plan", "apply", "rollback"])
def test_what_erm_yaml_misnames_is_told_before_anything_slow(mode: str, named: str, what: str, tmp_path: Path) -> None:
    """A rule, a kind or a revision that there is not is refused before a server is started or reached."""
    project = Project(tmp_path, url="postgresql://127.0.0.1:1/shop")
    project.revision("ab12", "pass")
    project.config(f"{named}\n")
    code, lines = told(project.erm("migrate", "--mode", mode))
    assert (code, lines[0].partition("; did you mean")[0]) == (2, f"error:  {what}")


def test_what_env_py_lacks_is_told_before_anything_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing env.py, or an asynchronous one without greenlet, is refused before a server is started or reached."""
    project = Project(tmp_path, url="postgresql://127.0.0.1:1/shop")
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n", encoding="utf-8")
    project.env_py("from sqlalchemy.ext.asyncio import create_async_engine\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ERM_DATABASE_URL", "postgresql://127.0.0.1:1/shop")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "greenlet" else found(name))
    with pytest.raises(ProjectError, match="needs greenlet, and this Python has none") as caught:
        open_project(None, None)
    assert caught.value.cure == "Type: pip install 'erm-alembic[async]'"
    (tmp_path / "migrations" / "env.py").unlink()
    with pytest.raises(ProjectError, match=r"There is no .*migrations/env\.py\."):
        open_project(None, None)


def test_an_exemption_whose_id_only_the_code_knows_is_known(tmp_path: Path) -> None:
    """An id that a revision computes is found by loading the revisions; then the database is what is missing."""
    project = Project(tmp_path, url="postgresql://127.0.0.1:1/shop")
    project.revision("ab12", "pass").write_text("revision = f'{12:04}'\ndown_revision = None\n", encoding="utf-8")
    project.config("safety: {downgrades_since: '0012'}\n")
    code, lines = told(project.erm("migrate", "--mode", "plan"))
    assert (code, "cannot be reached" in lines[0]) == (1, True)


def test_a_broken_erm_yaml(tmp_path: Path) -> None:
    """A file that is not YAML is refused with the line."""
    Project(tmp_path).config("database: {url: [}\n")
    done = Project(tmp_path).erm("migrate")
    assert done.returncode == 2
    assert "line 1: not YAML" in done.stderr
    assert f"cure:   Correct {tmp_path / 'erm.yaml'}" in done.stderr


def test_a_mistyped_profile(tmp_path: Path) -> None:
    """A name that is close to a profile is a typo; it falls back to no other database."""
    Project(tmp_path).config(
        """\
        database:
          url: postgresql:///fallback
          environments:
            staging: {url: "postgresql:///staging"}
        """
    )
    assert offline(tmp_path, "--env", "stagign") == (
        2,
        [
            "error:  There is no environment 'stagign' in erm.yaml; 'staging' is close to it.",
            "effect: Nothing was run, because it might be a typo.",
            "cure:   Write --env staging, or declare database.environments.stagign in erm.yaml.",
        ],
    )


FALLBACK = "Environment 'qa' is not declared in erm.yaml: using database.url."


@pytest.mark.parametrize("command", ["migrate --mode plan", "status", "history", "history restore a1", "gen -m x"])
def test_every_command_says_which_database_it_falls_back_to(command: str, project: Project) -> None:
    """A profile that is not declared means database.url, and whoever asks a database is told so, once."""
    project.table("a1", "first")
    assert project.apply().returncode == 0
    project.config(f"database: {{url: {json.dumps(project.url)}}}\n")
    project.url = None
    done = project.erm(*command.split(), "--env", "qa")
    assert done.stderr.splitlines().count(FALLBACK) == 1, done.stderr


def test_a_server_newer_than_the_tested_ones(
    one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that is newer than what erm was tested with is used, with a warning; a tested one without."""
    settings = load_settings(environ={"ERM_DATABASE_URL": one_database.url}, cwd=tmp_path)
    version = target.open_target(settings).server_version
    assert caplog.messages == []
    monkeypatch.setattr(target, "NEWEST_TESTED_MAJOR", 12)
    assert target.open_target(settings).server_version == version
    assert caplog.messages == [f"The server is PostgreSQL {version}; erm is tested up to PostgreSQL 12."]


def test_another_kind_of_database(tmp_path: Path, secret: str) -> None:
    """A URL of MySQL is refused by name, in the file and in the variable, without its password."""
    project = Project(tmp_path, env={"PW": secret})
    project.config("database: {url: 'mysql://app:${PW}@db/shop'}\n")
    done = project.erm("migrate")
    assert done.returncode == 2
    assert "The URL is one of mysql://, not of PostgreSQL" in done.stderr
    (tmp_path / "erm.yaml").unlink()
    done = project.erm("migrate", ERM_DATABASE_URL=f"mysql://app:{secret}@db/shop")
    assert done.returncode == 2
    assert "The URL is one of mysql://, not of PostgreSQL." in done.stderr
    assert "cure:   Give a postgresql:// URL, or embedded://NAME for a private server." in done.stderr


def test_no_alembic_project(tmp_path: Path) -> None:
    """Where there is no Alembic project, the ways to name one are shown before any database is asked."""
    from tests.support.cli import run_erm

    done = run_erm("migrate", cwd=tmp_path, env={"ERM_DATABASE_URL": "postgresql://127.0.0.1:1/shop"})
    assert told(done)[0] == 1
    assert told(done)[1][:2] == [
        f"error:  No Alembic project was found in {tmp_path}.",
        "effect: Nothing was done.",
    ]
