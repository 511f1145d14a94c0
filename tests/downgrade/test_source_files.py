"""Revision files and version locations, found and read without importing them."""

from __future__ import annotations

from pathlib import Path

import pytest

from erm_alembic.errors import ConfigurationError, ProjectError
from erm_alembic.revisions.source.files import (
    RevisionFile,
    exempt_revisions,
    heads_of,
    list_python_files,
    read_revision_files,
)
from erm_alembic.revisions.source.place import find_place
from erm_alembic.revisions.source.version_locations import version_locations
from tests.checks.building import revision


def write(root: Path, name: str, text: str = "") -> Path:
    """A file under the project, its folders made."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(root: Path, text: str) -> RevisionFile:
    """The one revision in this text."""
    (found,) = read_revision_files([write(root, "versions/r.py", text)], root)
    return found


def test_ids_and_parents_are_read_in_every_form_alembic_accepts(tmp_path: Path) -> None:
    """Plain and annotated assignments, one parent, several, none, and dependencies."""
    one = read(tmp_path, "revision = 'b'\ndown_revision = 'a'\ndepends_on = ['x', 'y']")
    assert (one.id, one.down_revisions, one.depends_on) == ("b", ("a",), ("x", "y"))
    merge = read(tmp_path, "revision: str = 'm'\ndown_revision: tuple[str, ...] | None = ('a', 'b')")
    assert (merge.id, merge.down_revisions) == ("m", ("a", "b"))
    assert read(tmp_path, "revision = 'r'\ndown_revision = None").down_revisions == ()
    assert read(tmp_path, "revision = make()\ndown_revision = None").id == "r"
    assert one.path == "versions/r.py"


def test_python_files_that_are_no_revisions_are_passed_over(tmp_path: Path) -> None:
    """env.py and helpers, even ones that are not valid Python for this interpreter, are no revisions."""
    env = write(tmp_path, "env.py", "from alembic import context\ncontext.run_migrations()  # every revision")
    assert read_revision_files([env, write(tmp_path, "broken.py", "def (")], tmp_path) == ()


def test_all_the_broken_files_are_named_in_one_error(tmp_path: Path) -> None:
    """Two syntax errors are reported together, each with its line."""
    paths = [write(tmp_path, f"{name}.py", "revision = 'a'\ndef (") for name in "ab"]
    with pytest.raises(ProjectError) as caught:
        read_revision_files(paths, tmp_path)
    assert "a.py:2: this revision file is not valid Python" in str(caught.value)
    assert "b.py:2: this revision file is not valid Python" in str(caught.value)


def test_the_files_are_those_that_alembic_would_load(tmp_path: Path) -> None:
    """Editors' lock files, __init__, caches and, unless asked for, folders below are left out."""
    for name in ("v/b.py", "v/a.py", "v/__init__.py", "v/.#a.py", "v/sub/c.py", "v/__pycache__/d.py", "v/a.txt"):
        write(tmp_path, name)
    folder = tmp_path / "v"
    assert [path.name for path in list_python_files([folder])] == ["a.py", "b.py"]
    assert [path.name for path in list_python_files([folder], recursive=True)] == ["a.py", "b.py", "c.py"]


GRAPH = (
    revision("aa11"),
    revision("bb22", "aa11", depends_on=("ee55",)),
    revision("cc33", "aa11"),
    revision("dd44", "bb22", "cc33"),
    revision("ee55"),
)


def test_the_exempt_revisions_are_the_named_one_and_all_that_it_stands_on() -> None:
    """Parents of a merge and dependencies are exempt too; a beginning of an id is enough."""
    assert exempt_revisions(GRAPH, None) == frozenset()
    assert exempt_revisions(GRAPH, "cc33") == {"cc33", "aa11"}
    assert exempt_revisions(GRAPH, "bb") == {"bb22", "aa11", "ee55"}
    assert exempt_revisions(GRAPH, "dd44") == {"aa11", "bb22", "cc33", "dd44", "ee55"}
    assert heads_of(GRAPH) == ("dd44", "ee55")


def test_a_circle_of_revisions_ends(tmp_path: Path) -> None:
    """Ancestors of a revision in a circle are found in finite time."""
    assert exempt_revisions((revision("a", "b"), revision("b", "a")), "a") == {"a", "b"}


@pytest.mark.parametrize(
    ("since", "what", "nearest"),
    [("cc34", "is not a revision of this project", "cc33"), ("", "is not a revision of this project", "")],
)
def test_an_unknown_exemption_names_the_nearest_revisions(since: str, what: str, nearest: str) -> None:
    """A typo in `safety.downgrades_since` would block or exempt the wrong ones: it is an error."""
    with pytest.raises(ConfigurationError) as caught:
        exempt_revisions(GRAPH, since)
    assert caught.value.what == f"safety.downgrades_since: {since!r} {what}."
    assert nearest in caught.value.cure


def test_an_ambiguous_beginning_is_an_error() -> None:
    """A beginning that fits two revisions names both."""
    with pytest.raises(ConfigurationError, match="means more than one revision") as caught:
        exempt_revisions((revision("ab1"), revision("ab2")), "ab")
    assert "ab1, ab2" in caught.value.cure


@pytest.mark.parametrize(
    ("ini", "folders"),
    [
        ("script_location = alembic", ["alembic/versions"]),
        ("script_location = %(here)s/db/m", ["db/m/versions"]),
        ("script_location = m\nversion_locations = a b,c", ["a", "b", "c"]),
        ("script_location = m\npath_separator = os\nversion_locations = a:%(here)s/b c", ["a", "b c"]),
        ("script_location = m\nversion_path_separator = newline\nversion_locations =\n  a\n  b", ["a", "b"]),
        ("script_location = app.db:migrations", ["app/db/migrations/versions"]),
    ],
)
def test_version_locations_of_an_ini_are_alembics(tmp_path: Path, ini: str, folders: list[str]) -> None:
    """Separators old and new, `%(here)s` and package paths lead to the same folders as in Alembic."""
    write(tmp_path, "alembic.ini", f"[alembic]\n{ini}\n")
    write(tmp_path, "app/db/migrations/env.py")
    found = version_locations(find_place(tmp_path))
    assert [folder.relative_to(tmp_path).as_posix() for folder in found.folders] == folders
    assert not found.recursive


def test_pyproject_and_usual_folders_are_found(tmp_path: Path) -> None:
    """`[tool.alembic]` counts where there is no ini, and `migrations/env.py` where there is neither."""
    write(tmp_path, "migrations/env.py")
    assert version_locations(find_place(tmp_path)).folders == (tmp_path / "migrations" / "versions",)
    write(
        tmp_path,
        "pyproject.toml",
        '[tool.alembic]\nscript_location = "%(here)s/m"\nversion_locations = ["%(here)s/x", "y"]\n'
        "recursive_version_locations = true\n",
    )
    found = version_locations(find_place(tmp_path))
    assert found.folders == (tmp_path / "x", tmp_path / "y")
    assert found.recursive
    (tmp_path / "pyproject.toml").unlink()
    (tmp_path / "migrations" / "env.py").unlink()
    with pytest.raises(ProjectError, match="No Alembic project was found"):
        version_locations(find_place(tmp_path))


def test_a_folder_with_a_percent_sign_in_its_name(tmp_path: Path) -> None:
    """The folder of alembic.ini is taken as it is: what stands in its name is no interpolation."""
    folder = tmp_path / "100% of it"
    folder.mkdir()
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    assert version_locations(find_place(folder)).folders == (folder / "migrations" / "versions",)


def test_a_named_directory_stands_in_for_the_script_location(tmp_path: Path) -> None:
    """`migrations.directory` beats alembic.ini."""
    write(tmp_path, "alembic.ini", "[alembic]\nscript_location = other\n")
    write(tmp_path, "db/env.py")
    assert version_locations(find_place(tmp_path, directory=Path("db"))).folders == (tmp_path / "db" / "versions",)


def test_the_working_directory_counts_where_the_folder_of_erm_yaml_has_no_project(tmp_path: Path) -> None:
    """An erm.yaml that is kept elsewhere and names no project is about the one from which erm is run."""
    write(tmp_path, "project/alembic.ini", "[alembic]\nscript_location = m\n")
    (tmp_path / "deploy").mkdir()
    assert find_place(tmp_path / "deploy", elsewhere=tmp_path / "project").root == tmp_path / "project"
    write(tmp_path, "deploy/alembic.ini", "[alembic]\nscript_location = m\n")
    assert find_place(tmp_path / "deploy", elsewhere=tmp_path / "project").root == tmp_path / "deploy"
    with pytest.raises(ProjectError, match="There is no") as caught:
        find_place(tmp_path / "deploy", ini=Path("no.ini"), elsewhere=tmp_path / "project")
    assert caught.value.what == f"There is no {tmp_path / 'deploy' / 'no.ini'}."


def test_an_ini_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A broken file is an error of the project, not a traceback."""
    write(tmp_path, "alembic.ini", "no section\n")
    with pytest.raises(ProjectError, match=r"alembic\.ini cannot be read"):
        version_locations(find_place(tmp_path))
