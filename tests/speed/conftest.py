"""A project for each test, and a home of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.speed.projects import CachedProject, make_project


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own cache folder."""
    folder = tmp_path / "home-cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "erm"


@pytest.fixture
def project(tmp_path: Path) -> CachedProject:
    """Two revisions, remembered while all of their files were old."""
    project = make_project(tmp_path / "project")
    project.remember()
    assert project.known() is not None
    return project
