"""A project with models, and `erm drift` of it in this process."""

from __future__ import annotations

from typing import Any

import pytest

from erm_alembic.comparing import DriftReport, drift
from tests.faults.deploying import Project

ENV_PY = """
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from alembic import context
from models import metadata
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
"""

MODELS = """
import sqlalchemy as sa

metadata = sa.MetaData()
users = sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.Text))
"""

USERS = """
op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.Text))
"""


def users(project: Project) -> Project:
    """The project with a table of users, and the database that `alembic upgrade head` makes of it."""
    project.revision("a1", USERS, 'op.drop_table("users")')
    done = project.apply()
    assert done.returncode == 0, done.stderr
    return project


def with_models(project: Project, models: str = MODELS) -> Project:
    """The same with models."""
    (project.root / "models.py").write_text(models, encoding="utf-8")
    project.env_py(ENV_PY)
    return users(project)


def looked(project: Project, monkeypatch: pytest.MonkeyPatch, **kw: Any) -> DriftReport:
    """What `erm drift` finds."""
    for name, value in project.environ().items():
        if value is not None:
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(project.root)
    return drift(**kw)


def told(report: DriftReport) -> list[tuple[str, str]]:
    """Kind and object of each difference."""
    return [(each.kind, each.object) for each in report.drift]
