"""Drift of the models: what they have and no revision makes, through env.py's own comparison and its plugins."""

from __future__ import annotations

import pytest

from tests.drift.looking import ENV_PY, MODELS, looked, told, with_models
from tests.faults.deploying import Project

MODELS_ONLY = {"sources": ("models",)}

WITH_PLUGINS = """
import enum

import alembic_postgresql_enum
import sqlalchemy as sa
from alembic_utils.pg_function import PGFunction
from alembic_utils.pg_view import PGView
from alembic_utils.replaceable_entity import register_entities

metadata = sa.MetaData()


class Mood(enum.Enum):
    sad = "sad"
    happy = "happy"


users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", sa.Text),
    sa.Column("mood", sa.Enum(Mood, name="mood")),
)
adults = PGView("public", "adults", "SELECT users.id FROM users WHERE users.id > 18")
twice = PGFunction("public", "twice(x integer)", "returns integer language sql as $$ select x * 2 $$")
register_entities([adults, twice])
"""

PLUGIN_REVISION = """
op.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")
op.add_column("users", sa.Column("mood", sa.Enum("sad", "happy", name="mood", create_type=False)))
op.execute("CREATE VIEW adults AS SELECT users.id FROM users WHERE users.id > 18")
op.execute("CREATE FUNCTION twice(x integer) returns integer language sql as $$ select x * 2 $$")
"""


def test_models_that_are_ahead_of_the_revisions_are_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pending revision is no such change; a column that no revision makes is. What was found is remembered."""
    with_models(project)
    assert looked(project, monkeypatch, **MODELS_ONLY).agrees
    project.revision("a2", 'op.add_column("users", sa.Column("note", sa.Text))', down="a1")
    ahead = MODELS.replace('sa.Column("email", sa.Text)', 'sa.Column("email", sa.Text), sa.Column("note", sa.Text)')
    (project.root / "models.py").write_text(ahead, encoding="utf-8")
    _forget(monkeypatch)
    assert looked(project, monkeypatch, **MODELS_ONLY).agrees
    (project.root / "models.py").write_text(ahead.replace('"note"', '"remark"'), encoding="utf-8")
    _forget(monkeypatch)
    report = looked(project, monkeypatch, **MODELS_ONLY)
    assert told(report) == [("column", "public.users.remark"), ("column", "public.users.note")]
    assert [(each.expected, each.found) for each in report.drift] == [("TEXT", "absent"), ("absent", "TEXT")]
    assert {each.source for each in report.drift} == {"models"}


def test_a_table_of_a_schema_that_env_py_does_not_compare(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Autogenerate takes it for missing although a revision makes it; it is said what env.py lacks."""
    with_models(project)
    project.revision(
        "a2", 'op.execute("CREATE SCHEMA shop; CREATE TABLE shop.wish (id integer PRIMARY KEY)")', down="a1"
    )
    elsewhere = '\nsa.Table("wish", metadata, sa.Column("id", sa.Integer, primary_key=True), schema="shop")\n'
    (project.root / "models.py").write_text(MODELS + elsewhere, encoding="utf-8")
    report = looked(project, monkeypatch, **MODELS_ONLY)
    assert told(report) == [("table", "shop.wish")]
    assert report.drift[0].found.startswith("not looked for: env.py compares the default schema only")


def test_filters_of_env_py_hold(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What env.py leaves out of autogenerate is no drift of the models."""
    with_models(project)
    (project.root / "models.py").write_text(
        MODELS + '\nother = sa.Table("other", metadata, sa.Column("id", sa.Integer))\n', encoding="utf-8"
    )
    project.env_py(
        ENV_PY.replace(
            "target_metadata=metadata",
            "target_metadata=metadata, include_name=lambda name, kind, _: name != 'other',"
            " include_object=lambda _, name, *more: name != 'other'",
        )
    )
    _forget(monkeypatch)
    assert looked(project, monkeypatch, **MODELS_ONLY).agrees


def test_a_project_without_models_has_no_drift_of_them(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """All three ways, that is a note; asked for alone, it cannot be told."""
    project.table("a1", "users")
    assert project.apply().returncode == 0
    report = looked(project, monkeypatch)
    assert report.agrees
    assert report.notes == ("Models were not compared: the project names none (target_metadata in env.py).",)
    assert looked(project, monkeypatch, **MODELS_ONLY).comparisons[0].verdict == "unknown"


def test_plugins_compare_in_the_shadow(project_of_major: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of alembic-utils and alembic-postgresql-enum: no false alarm, and what they see is told by kind and name."""
    pytest.importorskip("alembic_utils", reason="alembic-utils is not installed")
    pytest.importorskip("alembic_postgresql_enum", reason="alembic-postgresql-enum is not installed")
    project = project_of_major
    with_models(project, WITH_PLUGINS)
    project.revision("a2", PLUGIN_REVISION, 'op.execute("DROP VIEW adults")', down="a1")
    done = project.apply("--no-rehearse")
    assert done.returncode == 0, done.stderr
    done = project.erm("drift")
    assert done.returncode == 0, done.stdout + done.stderr
    other = WITH_PLUGINS.replace("x * 2", "x * 3").replace('happy = "happy"', 'happy = "happy"\n    calm = "calm"')
    (project.root / "models.py").write_text(other, encoding="utf-8")
    done = project.erm("drift", "--source", "models")
    assert done.returncode == 1
    assert "  function public.twice(x integer)" in done.stdout
    assert "  enum public.mood" in done.stdout


def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process has imported of the project is read anew."""
    import sys

    monkeypatch.delitem(sys.modules, "models", raising=False)
