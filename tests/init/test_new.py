"""`erm new`: an empty revision from the project's own template, without a database."""

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from erm_alembic.cli.init import write_project
from erm_alembic.config.loader import load_settings
from erm_alembic.errors import ProjectError
from erm_alembic.revisions.new_revision import create_revision
from erm_alembic.revisions.project import find_project
from tests.support.cli import run_erm


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A new project without revisions."""
    write_project(tmp_path, "generic")
    return tmp_path


def new(project: Path, *arguments: str) -> Path:
    """Write a revision and give back its file."""
    done = run_erm("new", *arguments, cwd=project)
    assert done.returncode == 0, done.stderr
    return project / done.stdout.strip()


def identity(path: Path) -> dict[str, object]:
    """The names that Alembic reads from a revision file."""
    found: dict[str, object] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = ast.literal_eval(node.value)
    return found


def revisions(project: Path) -> set[str]:
    """The revision files that are there."""
    return {path.name for path in (project / "migrations/versions").glob("*.py")}


def test_each_revision_builds_on_the_one_before(project: Path) -> None:
    """Its path alone is on stdout; the second one's down_revision is the first."""
    first, second = new(project, "first tables"), new(project, "more tables")
    assert identity(first)["down_revision"] is None
    assert identity(second)["down_revision"] == identity(first)["revision"]
    assert second.name.endswith("_more_tables.py")


def test_the_path_counts_from_where_it_is_typed(project: Path) -> None:
    """Called in a folder of the project, it prints a path that an editor opens from there."""
    inside = project / "migrations"
    written = run_erm("new", "first tables", cwd=inside).stdout.strip()
    assert written.startswith("versions/") and (inside / written).is_file()
    beside = project / "docs"
    beside.mkdir()
    done = run_erm("new", "more tables", "--sql", cwd=beside).stdout.splitlines()
    assert [Path(line).is_absolute() and Path(line).is_file() for line in done] == [True, True, True]


def test_the_projects_own_script_template_is_used(project: Path) -> None:
    """A team's own script.py.mako decides what a revision looks like."""
    template = project / "migrations/script.py.mako"
    template.write_text("# house style\n" + template.read_text())
    assert new(project, "first").read_text().startswith("# house style\n")


def test_a_revision_that_is_no_head_needs_splice(project: Path) -> None:
    """--head on an old revision is refused without --splice, and starts a branch with it."""
    first = str(identity(new(project, "first"))["revision"])
    new(project, "second")
    before = revisions(project)
    refused = run_erm("new", "third", "--head", first, cwd=project)
    assert refused.returncode == 2
    assert "--splice" in refused.stderr
    assert revisions(project) == before
    assert identity(new(project, "third", "--head", first, "--splice"))["down_revision"] == first


def test_several_heads_are_listed_and_head_chooses_one(project: Path) -> None:
    """With two heads nothing is guessed."""
    first = str(identity(new(project, "first"))["revision"])
    second = str(identity(new(project, "second"))["revision"])
    third = str(identity(new(project, "third", "--head", first, "--splice"))["revision"])
    refused = run_erm("new", "fourth", cwd=project)
    assert refused.returncode == 2
    assert second in refused.stderr
    assert third in refused.stderr
    assert identity(new(project, "fourth", "--head", third))["down_revision"] == third


@pytest.mark.parametrize("name", ["", "   "])
def test_an_empty_name_is_refused(project: Path, name: str) -> None:
    """A revision without a message helps nobody: exit code 2."""
    done = run_erm("new", name, cwd=project)
    assert done.returncode == 2
    assert "A revision needs a name." in done.stderr
    assert revisions(project) == set()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ('drop """\nimport os\n"""', "three quotes in a row"),
        ('x"""; open("pwned", "w") #', "three quotes in a row"),
        ("x'''; pass", "three quotes in a row"),
        ("ends in \\", "a backslash"),
        ("\\N{foo}", "a backslash"),
        ("two\nlines", "a line break"),
        ("bell\a", "a line break or another"),
        ("next\u2028line", "a line break or another"),
    ],
)
def test_a_name_that_could_become_code_is_refused(project: Path, name: str, says: str) -> None:
    """Alembic puts the name into the docstring as it is: what could end it is refused before anything is written."""
    done = run_erm("new", name, cwd=project)
    assert done.returncode == 2
    assert says in done.stderr
    assert revisions(project) == set()


def test_a_file_that_would_not_be_python_is_taken_away(project: Path) -> None:
    """A template that quotes the name by itself may still break; the broken file would stop every later command."""
    template = project / "migrations/script.py.mako"
    template.write_text(template.read_text() + "\nname = '${message}'\n")
    done = run_erm("new", "don't (", cwd=project)
    assert done.returncode == 2
    assert "would not be Python" in done.stderr
    assert revisions(project) == set()


def test_a_full_disk_leaves_no_empty_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that was opened but not filled goes away again, whatever file_template calls it."""
    ini = project / "alembic.ini"
    ini.write_text(ini.read_text().replace("[alembic]\n", "[alembic]\nfile_template = %%(slug)s\n"))

    def full(self: ScriptDirectory, src: Path, dest: Path, **arguments: object) -> None:
        dest.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ScriptDirectory, "_generate_template", full)
    found = find_project(load_settings(cwd=project, environ={}))
    with pytest.raises(ProjectError, match="No space left on device") as raised:
        create_revision(found, "first")
    assert raised.value.effect == "No revision was written."
    assert revisions(project) == set()


def test_an_existing_revision_is_never_written_over(project: Path) -> None:
    """A file_template without the id gives two revisions of one name the same file."""
    ini = project / "alembic.ini"
    ini.write_text(ini.read_text().replace("[alembic]\n", "[alembic]\nfile_template = %%(slug)s\n"))
    first = new(project, "same")
    before = first.read_text()
    done = run_erm("new", "same", cwd=project)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert first.read_text() == before


def test_version_path_chooses_among_several_locations(project: Path) -> None:
    """With several version_locations the cure names --version-path, which counts from where one stands."""
    ini = project / "alembic.ini"
    ini.write_text(
        ini.read_text().replace("[alembic]\n", "[alembic]\nversion_locations = migrations/versions:more/b\n")
    )
    (project / "more/b").mkdir(parents=True)
    refused = run_erm("new", "first", cwd=project)
    assert refused.returncode == 2
    assert "--version-path: migrations/versions, more/b." in refused.stderr
    assert new(project, "first", "--version-path", "more/b").parent == project / "more/b"
    wrong = run_erm("new", "second", "--version-path", "more", cwd=project)
    assert wrong.returncode == 2
    assert "more is none of the project's version locations" in wrong.stderr
    inside = run_erm("new", "second", "--version-path", "b", cwd=project / "more")
    assert inside.returncode == 0, inside.stderr
    assert inside.stdout.startswith("b/")


def test_a_missing_script_template_is_named(project: Path) -> None:
    """Without script.py.mako: exit code 1, the file named, nothing written."""
    (project / "migrations/script.py.mako").unlink()
    done = run_erm("new", "first", cwd=project)
    assert done.returncode == 1
    assert "script.py.mako" in done.stderr
    assert revisions(project) == set()


def test_no_project_is_a_clear_error(tmp_path: Path) -> None:
    """Outside any Alembic project the three ways to name one are shown."""
    done = run_erm("new", "first", cwd=tmp_path)
    assert done.returncode == 1
    assert "No Alembic project was found" in done.stderr
    assert "erm init" in done.stderr
