"""The folder of a project: how its own modules are found."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from erm_alembic.revisions.project import AlembicProject


def test_a_relative_folder_on_the_path_is_the_one_of_the_project_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that works on two projects, each with `prepend_sys_path = .`, imports from each its own modules."""
    for name in ("first_of_two", "second_of_two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").write_text("")
        monkeypatch.delitem(sys.modules, name, raising=False)
        with AlembicProject(tmp_path / name, None, None, None).entered():
            sys.path.insert(0, ".")
            module = importlib.import_module(name)
        assert Path(module.__file__ or "").parent.resolve() == tmp_path / name
