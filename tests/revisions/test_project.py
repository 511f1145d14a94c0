"""The folder of a project: how its own modules are found."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from erm_alembic.errors import ProjectError
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


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("script_location = migrations\n", "it is no ini file (MissingSectionHeaderError)"),
        (
            "[alembic]\nscript_location = migrations\nfile_template = %(secret)s\n",
            "the value of file_template is no text of an ini file (InterpolationMissingOptionError)",
        ),
    ],
)
def test_an_ini_file_that_cannot_be_read_is_named_and_not_quoted(tmp_path: Path, text: str, what: str) -> None:
    """Its values may be addresses with passwords: what is wrong is told by its option."""
    ini = tmp_path / "alembic.ini"
    ini.write_text(text)
    project = AlembicProject(tmp_path, ini, None, None)
    with pytest.raises(ProjectError) as raised:
        project.script_directory(project.config())
    assert raised.value.what == f"{ini} cannot be read: {what}."
    assert "secret" not in str(raised.value)
