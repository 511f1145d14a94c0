"""The Python API: the three things that `erm migrate` does, as functions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import erm_alembic
from tests.support.databases import Database

SHOP = Path(__file__).resolve().parents[2] / "examples" / "shop"


def test_plan_apply_and_rollback_are_values(
    tmp_path: Path, one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan is computed, run, and taken back; each answer is a value that says what is and what was done."""
    folder = tmp_path / "shop"
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".erm", "__pycache__"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    plan = erm_alembic.plan(to="b57e03d4a9c8")
    assert [step.revision for step in plan.steps] == ["3a1f5c0e7b21", "8c4d2e91f6a0", "b57e03d4a9c8"]
    assert (plan.blocked, plan.current) == (False, ())
    applied = erm_alembic.apply(to="b57e03d4a9c8")
    assert (applied.outcome.result, applied.outcome.current) == ("done", ("b57e03d4a9c8",))
    assert erm_alembic.plan(to="b57e03d4a9c8").up_to_date
    down = erm_alembic.plan_rollback(steps=2)
    assert [step.revision for step in down.steps] == ["b57e03d4a9c8", "8c4d2e91f6a0"]
    back = erm_alembic.rollback(steps=2)
    assert (back.outcome.result, back.outcome.current) == ("done", ("3a1f5c0e7b21",))


def test_importing_the_package_loads_nothing_heavy() -> None:
    """An application that imports it pays for neither Alembic nor SQLAlchemy."""
    code = "import sys, erm_alembic; print(sorted({'alembic', 'sqlalchemy', 'pydantic', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The lazy loading hides no mistake."""
    with pytest.raises(AttributeError, match="has no attribute 'appply'"):
        erm_alembic.appply  # noqa: B018
