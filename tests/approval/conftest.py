"""A project of its own on a fresh database for each test, and what a plan's file is done to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.deploying import Project
from tests.support.databases import Database


@pytest.fixture
def project(one_database: Database, tmp_path: Path) -> Project:
    """An Alembic project with two revisions, of which none is applied."""
    project = Project(tmp_path / "project", one_database, env={"ERM_NO_SHADOW": "1"})
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    return project


def document(path: Path) -> dict[str, Any]:
    """The JSON of a plan's file."""
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


def forge(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a plan's file as somebody would who knows how its checksum is made."""
    found = document(path)
    change(found)
    rest = {key: value for key, value in found["approval"].items() if key not in ("checksum", "signature")}
    text = json.dumps({**found, "approval": rest}, sort_keys=True, separators=(",", ":"))
    found["approval"]["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(found))
