"""An env.py that uses an engine of the application's own, which outlives each run of env.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from erm_alembic import migrate
from tests.faults.deploying import Project
from tests.support.databases import Database

ENGINE = """
from sqlalchemy import create_engine

engine = create_engine("postgresql://nowhere.invalid/app", pool_size=5)
"""
ENV_PY = """
from alembic import context
from application_engine import engine

with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def test_its_pool_opens_another_connection_for_the_next_run(
    one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planning and applying in one process run env.py twice, with the same engine and its pool."""
    project = Project(tmp_path, one_database)
    (tmp_path / "application_engine.py").write_text(ENGINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    project.env_py(ENV_PY)
    project.config(f'database: {{environments: {{prod: {{url: "{one_database.url}"}}}}}}')
    project.revision("a1", 'op.create_table("t", sa.Column("id", sa.Integer))', 'op.drop_table("t")')
    config = tmp_path / "erm.yaml"
    assert migrate.apply("prod", config=config, rehearse=False).outcome.current == ("a1",)
    assert migrate.rollback("prod", config=config, rehearse=False).outcome.current == ()
