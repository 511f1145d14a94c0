"""Sample projects, copied into a folder of their own, with what an env.py changes in this process put back."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.adoption.sample import Sample, copy_sample
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
