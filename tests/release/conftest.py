"""Projects that are released: three revisions, commands that note what they were told, a plan that is rehearsed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from erm_alembic.release import api
from erm_alembic.release.request import ReleaseRequest
from tests.faults.deploying import Project
from tests.support.databases import Database

# Written in a folder of the project, so that a second try finds that the first one was there.
ONCE = """
import os, pathlib, signal
marker = pathlib.Path({marker!r})
if not marker.exists():
    marker.touch()
    os.kill(os.{whom}(), signal.SIGKILL)
"""


def release_config(root: Path, profile: dict[str, Any], release: dict[str, Any], **sections: Any) -> Path:
    """Write erm.yaml; its one profile is prod."""
    document = {"database": {"environments": {"prod": profile}}, "release": release, **sections}
    path = root / "erm.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@dataclass
class Released:
    """A project with an erm.yaml of a section `release`."""

    project: Project
    database: Database

    @property
    def root(self) -> Path:
        return self.project.root

    def config(self, release: dict[str, Any] | None = None, **sections: Any) -> None:
        """Write erm.yaml; the database is that of the profile prod."""
        release_config(self.root, {"url": self.database.url}, release or {}, **sections)

    def script(self, name: str, body: str) -> list[str]:
        """Write a Python program; the words of the command that runs it."""
        (self.root / name).write_text(dedent(body), encoding="utf-8")
        return [sys.executable, name]

    def killed_once(self, name: str) -> list[str]:
        """The command that kills the release the first time that it is run."""
        return self.script(f"{name}.py", ONCE.format(marker=f"{name}.killed", whom="getppid"))

    def release(self, **members: Any) -> api.Result:
        """Release in this process."""
        return api.release("prod", ReleaseRequest(**members), config=self.root / "erm.yaml")

    def resume(self, **members: Any) -> api.Result:
        """Go on in this process."""
        return api.resume("prod", ReleaseRequest(**members), config=self.root / "erm.yaml")

    def erm(self, *words: str) -> Any:
        """`erm release` as a user types it."""
        return self.project.erm("release", *words, "--env", "prod", ERM_DATABASE_URL=None)

    def stages(self) -> list[tuple[str, str | None]]:
        """Each time that a stage of the last release was begun, and how it ended."""
        return [
            (str(stage), outcome)
            for stage, outcome in self.database.execute(
                "SELECT stage, outcome FROM erm.release_stage"
                " WHERE release_id = (SELECT max(id) FROM erm.release) ORDER BY id"
            )
        ]

    def outcomes(self) -> list[str | None]:
        """How each release ended, oldest first."""
        return [row[0] for row in self.database.execute("SELECT outcome FROM erm.release ORDER BY id")]

    def current(self) -> list[str]:
        """The revisions that the database records."""
        return [row[0] for row in self.database.execute("SELECT version_num FROM alembic_version ORDER BY 1")]


@pytest.fixture
def released(one_database: Database, tmp_path: Path) -> Iterator[Released]:
    """A project of two revisions, not deployed yet, with nothing configured for its release."""
    project = Project(tmp_path, one_database)
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    found = Released(project, one_database)
    found.config()
    yield found
