"""Projects whose shadow is on the server that all tests share, so that no test makes one of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from erm_alembic.shadow.child.running import Child
from tests.faults.deploying import ENV_PY, Project
from tests.support.databases import Database


@pytest.fixture
def project(tmp_path: Path, one_database: Database) -> Project:
    """An Alembic project with a target; its shadow is on the same server, beside it."""
    return _with_shadow(tmp_path, one_database)


@pytest.fixture
def project_of_major(tmp_path: Path, database: Database) -> Project:
    """The same on a server of every major."""
    return _with_shadow(tmp_path, database)


def _with_shadow(root: Path, database: Database) -> Project:
    project = Project(root, database, env={"ERM_SHADOW_URL": database.server.url("postgres")})
    # Templates are known by the content of the files: those of another test are none of this one's.
    project.env_py(f"{ENV_PY}\n# {database.name}\n")
    return project


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many revisions each replay has run."""
    found: list[int] = []
    real = Child.run

    def counting(child: Child, *args: Any) -> list[dict[str, Any]]:
        events = real(child, *args)
        found.extend(event["steps"] for event in events if event["event"] == "replayed")
        return events

    monkeypatch.setattr(Child, "run", counting)
    return found
