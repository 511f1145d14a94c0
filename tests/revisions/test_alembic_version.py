"""A project whose own pin has put an older Alembic in place is told so."""

from __future__ import annotations

import tomllib
from pathlib import Path

import alembic
import pytest

from erm_alembic.revisions.alembic_version import OLDEST
from tests.cli.pipeline import erm
from tests.support.cli import REPOSITORY

Capture = pytest.CaptureFixture[str]


def test_the_oldest_is_the_one_that_pip_is_asked_for() -> None:
    """One number, in pyproject.toml, in the error and in what users read before they install."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"alembic>={OLDEST},<2" in project["project"]["dependencies"]
    for page in ("README.md", "docs/adopting.md"):
        assert f"Alembic {OLDEST}" in (REPOSITORY / page).read_text(encoding="utf-8")


def test_an_older_alembic_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path) -> None:
    """With the command that mends it, in the place of whatever it would break."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "env.py").write_text("")
    monkeypatch.setattr(alembic, "__version__", "1.16.5")
    monkeypatch.setenv("ERM_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code, _, err = erm(capsys, "migrate", "--mode", "plan")
    assert code == 1
    assert "error:  Alembic 1.16.5 is installed, and erm needs 1.20.1 or a newer one." in err
    assert "pip install 'alembic>=1.20.1,<2'" in err


def test_an_older_alembic_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Some fail before anything can ask for their version: what is told is no defect of erm."""

    def fails(*args: object, **kw: object) -> None:
        raise TypeError("'module' object is not iterable")

    monkeypatch.setattr("erm_alembic.inspection.status", fails)
    monkeypatch.setattr("importlib.metadata.version", lambda name: {"alembic": "1.18.0"}[name])
    code, _, err = erm(capsys, "status")
    assert (code, "defect" in err) == (1, False)
    assert "error:  Alembic 1.18.0 is installed" in err
