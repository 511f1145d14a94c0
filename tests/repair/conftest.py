"""A project with a first revision applied, on a fresh database for each test; `erm` runs in the test's own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.pipeline import erm
from tests.faults.deploying import Project
from tests.repair.halves import with_orders
from tests.support.databases import Database
from tests.support.secrecy import shown_in


class ProjectHere(Project):
    """A project whose commands cost no process of their own; `deploying()` still starts one, to be killed."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def erm(self, *args: str | Path, **env: str | None) -> subprocess.CompletedProcess[str]:
        """Run the whole command line in this process."""
        assert not env
        assert self.url is not None
        self.monkeypatch.setenv("ERM_DATABASE_URL", self.url)
        code, out, err = erm(self.capsys, *map(str, args))
        assert "Traceback" not in err, err
        assert not shown_in(out + err)
        return subprocess.CompletedProcess(["erm", *map(str, args)], code, out, err)


@pytest.fixture
def project(
    one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Project:
    """A project whose first revision is applied: a table of orders, one of which has no note."""
    monkeypatch.chdir(tmp_path)
    # A file that is written twice within a second must not be taken for what was compiled of it first.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    project = ProjectHere(tmp_path, one_database)
    project.monkeypatch, project.capsys = monkeypatch, capsys
    with_orders(project)
    return project
