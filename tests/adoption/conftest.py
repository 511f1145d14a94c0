"""Sample projects, copied into a folder of their own, with what an env.py changes in this process put back."""

from __future__ import annotations

import logging
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from erm_alembic import migrate
from erm_alembic.planning.model import Plan
from tests.adoption.sample import Sample, copy_sample
from tests.adoption.untouched import dump, nothing_written
from tests.support.databases import Database


@pytest.fixture
def sample(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process_state: None
) -> Callable[[str, Database], Sample]:
    """Prepare a sample project for a database."""

    def prepare(name: str, database: Database) -> Sample:
        project = copy_sample(name, tmp_path)
        monkeypatch.chdir(project)
        monkeypatch.setenv("ERM_DATABASE_URL", database.url)
        made = Sample(project, database)
        made.prepare()
        return made

    return prepare


@pytest.fixture
def process_state() -> Iterator[None]:
    """Undo what an env.py leaves behind: `fileConfig` turns loggers off, and `models` is another file a project."""
    modules = set(sys.modules)
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    for name in set(sys.modules) - modules:
        if "projects" in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]
    root.setLevel(level)
    root.handlers[:] = handlers
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False
            logger.setLevel(logging.NOTSET)
            logger.filters.clear()


@pytest.fixture
def revision_of(sample: Callable[[str, Database], Sample], one_database: Database) -> Callable[..., Plan]:
    """Plan a project of one revision with the given body of `upgrade()`, and hold that planning wrote nothing."""

    def planned(*bodies: str) -> Plan:
        project = sample("every_kind", one_database)
        versions = project.path / "migrations" / "versions"
        shutil.rmtree(versions)
        versions.mkdir()
        for number, body in enumerate(bodies):
            parent = repr(f"r{number - 1}") if number else None
            (versions / f"r{number}.py").write_text(
                f"import io\nimport sqlalchemy as sa\nfrom alembic import op\nrevision, down_revision = 'r{number}', "
                f"{parent}\ndef upgrade():\n    bind = op.get_bind()\n{textwrap.indent(body, '    ')}\n"
                "def downgrade():\n    op.execute('SELECT 1')\n"
            )
        before = dump(one_database)
        with nothing_written(one_database):
            plan = migrate.plan()
        assert dump(one_database) == before
        assert one_database.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
        return plan

    return planned
