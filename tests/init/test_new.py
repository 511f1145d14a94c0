"""`erm new`: an empty revision from the project's own template, without a database."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from erm_alembic.cli.init import write_project
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


def test_a_name_that_breaks_the_file_leaves_no_file(project: Path) -> None:
    """Three quotes in the message would end the docstring; the broken file would stop every later command."""
    done = run_erm("new", 'drop """ quotes (', cwd=project)
    assert done.returncode == 2
    assert "would not be Python" in done.stderr
    assert revisions(project) == set()


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
