"""What the ledger knows of a file that was edited or lost after it was applied, and how it comes back."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.deploying import Project, tables, told
from tests.support.databases import Database


def drift(project: Project) -> tuple[int, list[tuple[str, str]]]:
    """The exit code of a plan, and the kind and the object of its drift."""
    done = project.apply("--mode", "plan", "--format", "json")
    return done.returncode, [(each["kind"], each["object"]) for each in json.loads(done.stdout)["drift"]]


def applied(project: Project) -> Path:
    """A revision that was applied: its file."""
    path = project.table("a1", "first")
    assert project.apply().returncode == 0
    return path


def test_a_formatter_is_no_drift(project: Project) -> None:
    """Quotes, blank lines and comments may change after a revision was applied."""
    path = applied(project)
    text = path.read_text().replace("'", '"').replace("\n\n", "\n\n\n# tidied\n")
    path.write_text(text)
    assert drift(project) == (0, [])


def test_edited_code_is_drift(project: Project, one_database: Database) -> None:
    """Code that changed after it was applied blocks plan and apply, and nothing is run."""
    path = applied(project)
    path.write_text(path.read_text().replace("sa.Integer", "sa.BigInteger"))
    project.table("b2", "second", down="a1")
    assert drift(project) == (1, [("edited-revision", "a1")])
    assert project.apply().returncode == 1
    assert tables(one_database) == {"first", "alembic_version"}


def test_a_lost_file_is_drift_and_comes_back(project: Project, one_database: Database) -> None:
    """A recorded revision without a file blocks; `erm history restore` writes it back, byte for byte."""
    path = applied(project)
    source = path.read_bytes()
    path.unlink()
    project.table("z9", "other")
    assert drift(project) == (1, [("missing-revision", "a1")])
    refused = project.apply()
    assert refused.returncode == 1
    assert "erm history restore a1" in refused.stdout
    assert tables(one_database) == {"first", "alembic_version"}
    assert project.erm("history", "restore", "a1").stdout == f"Wrote {path}\n"
    assert path.read_bytes() == source
    (project.versions / "z9.py").unlink()
    assert drift(project) == (0, [])


def test_an_existing_file_is_not_overwritten(project: Project) -> None:
    """Restoring never overwrites: neither the place where the file was, nor the one that --out names."""
    path = applied(project)
    path.write_text("mine")
    code, lines = told(project.erm("history", "restore", "a1"))
    assert (code, lines) == (
        2,
        [f"error:  {path} exists.", "effect: Nothing was written.", "cure:   Move it away, or say --out PATH."],
    )
    out = project.root / "out.py"
    out.write_text("mine too")
    assert project.erm("history", "restore", "a1", "--out", out).returncode == 2
    assert (path.read_text(), out.read_text()) == ("mine", "mine too")


def test_a_recorded_path_cannot_leave_the_project(project: Project, one_database: Database) -> None:
    """A ledger that names a path outside of the project, by dots or from the root, writes nothing there."""
    applied(project).unlink()
    for escape in ("../stolen.py", str(project.root.parent / "stolen.py")):
        one_database.execute("UPDATE erm.revision SET path = %s", escape)
        code, lines = told(project.erm("history", "restore", "a1"))
        assert (code, lines[0]) == (2, f"error:  Revision a1 stood at {escape}, outside of this project.")
        assert lines[2] == "cure:   Say where to write it: --out PATH."
    assert not (project.root.parent / "stolen.py").exists()


def test_a_symlink_cannot_lead_out_of_the_project(project: Project, tmp_path_factory: object) -> None:
    """A versions folder that is a symlink to elsewhere is elsewhere."""
    path = applied(project)
    path.unlink()
    outside = project.root.parent / f"{project.root.name}-outside"
    outside.mkdir()
    project.versions.rename(project.root / "moved")
    project.versions.symlink_to(outside)
    code, lines = told(project.erm("history", "restore", "a1"))
    assert (code, "outside of this project" in lines[0]) == (2, True)
    assert list(outside.iterdir()) == []


def test_an_unknown_or_ambiguous_revision(project: Project) -> None:
    """A revision is found by the beginning of its id; several, or none, are named."""
    project.table("ab1", "first")
    project.table("ab2", "second", down="ab1")
    assert project.apply().returncode == 0
    assert told(project.erm("history", "restore", "ab"))[1][0] == "error:  ab could be ab1, ab2."
    assert told(project.erm("history", "restore", "nope"))[1][0] == "error:  The ledger does not know revision nope."
    (project.versions / "ab2.py").unlink()
    assert project.erm("history", "restore", "ab2").returncode == 0
