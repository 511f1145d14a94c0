"""The layout that Flask-Migrate writes: alembic.ini beside env.py, which asks for the current application."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import erm_environment, run_erm
from tests.support.databases import Database

APPLICATION = '''
"""An application with a factory, as its documentation shows it."""
import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(50), nullable=False, index=True)


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    db.init_app(app)
    Migrate(app, db)
    return app
'''


@pytest.fixture
def project(tmp_path: Path, one_database: Database) -> Path:
    """A project with one migration that `flask db migrate` wrote."""
    (tmp_path / "shop.py").write_text(APPLICATION)
    _flask_db(tmp_path, one_database, "init")
    _flask_db(tmp_path, one_database, "migrate", "-m", "users")
    return tmp_path


def _variables(database: Database, **further: str | None) -> dict[str, str | None]:
    address = database.url.replace("postgresql://", "postgresql+psycopg2://", 1)
    return {"DATABASE_URL": address, "ERM_DATABASE_URL": database.url, "FLASK_APP": "shop:create_app", **further}


def _flask_db(project: Path, database: Database, *command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "flask", "db", *command],
        cwd=project,
        env=erm_environment(_variables(database)),
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_it_runs_as_it_is(project: Path, one_database: Database) -> None:
    """Found by itself, planned, rehearsed, applied, without drift, and readable by `flask db`."""
    variables = _variables(one_database, ERM_NO_SHADOW=None)
    planned = run_erm("migrate", "--mode", "plan", "--format", "json", cwd=project, env=variables)
    assert planned.returncode == 0, planned.stderr
    [step] = json.loads(planned.stdout)["pending"]
    assert "CREATE TABLE" in step["statements"][0]["sql"]
    for command in (["migrate"], ["drift"], ["check", "downgrades"]):
        done = run_erm(*command, cwd=project, env=variables)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert step["revision"] in _flask_db(project, one_database, "current")


@pytest.mark.parametrize("configured", ["directory: migrations", "alembic_ini: migrations/alembic.ini"])
def test_it_can_be_named(configured: str, project: Path, one_database: Database) -> None:
    """By its directory, or by the ini within, which names no script location."""
    (project / "erm.yaml").write_text(f"migrations: {{{configured}}}\n")
    for command in (["migrate"], ["check", "downgrades"]):
        done = run_erm(*command, cwd=project, env=_variables(one_database))
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_without_an_application_it_says_which_variable_to_set(project: Path, one_database: Database) -> None:
    """And what is not read."""
    variables = _variables(one_database, FLASK_APP=None)
    planned = run_erm("migrate", "--mode", "plan", cwd=project, env=variables)
    assert planned.returncode == 1
    assert "asks for the current Flask application, and none can be loaded" in planned.stderr
    assert "Set FLASK_APP as for `flask db`, such as FLASK_APP=shop:create_app" in planned.stderr
