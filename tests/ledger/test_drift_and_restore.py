"""What the ledger knows of a file that was edited or lost after it was applied, and how it comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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


CANNOT_TELL = (
    "the database records revision a1, which no file of the project declares; write it back with "
    "`erm history restore a1`, or check out the branch that has it"
)


@pytest.mark.parametrize("let_pass", ["override", "rule off"])
def test_no_rule_lets_a_lost_file_pass(let_pass: str, project: Project, one_database: Database) -> None:
    """What is pending cannot be told without the file: with the rule off or overridden, apply still refuses."""
    applied(project).unlink()
    project.table("z9", "other")
    arguments = ["--override", "missing-revision", "--reason", "it is gone"]
    if let_pass == "rule off":
        arguments = []
        project.config("safety: {rules: {missing-revision: 'off'}}\n")
    assert told(project.apply(*arguments)) == (
        1,
        [
            f"error:  T{CANNOT_TELL[1:]}.",
            "effect: Nothing was changed.",
            "cure:   Do that, then plan again; no rule and no override lets this pass.",
        ],
    )
    assert tables(one_database) == {"first", "alembic_version"}


def test_a_plan_says_that_it_cannot_tell(project: Project) -> None:
    """A plan that cannot be computed is blocked, is not up to date, and says why in text and in JSON."""
    applied(project).unlink()
    project.table("z9", "other")
    project.config("safety: {rules: {missing-revision: 'off'}}\n")
    planned = project.apply("--mode", "plan", "--check")
    assert planned.returncode == 1
    assert f"What there is to apply cannot be told: {CANNOT_TELL}." in planned.stdout
    assert "at its target" not in planned.stdout
    document = json.loads(project.apply("--mode", "plan", "--format", "json").stdout)
    assert (document["pending"], document["cannot_run"], document["blocked"]) == ([], CANNOT_TELL, True)


def test_status_says_that_it_cannot_tell(project: Project) -> None:
    """Where the recorded revision has no file, status names it, and claims nothing about what is pending."""
    applied(project).unlink()
    project.table("z9", "other")
    said = project.erm("status").stdout
    assert "Pending  cannot be told\nUnknown  a1  (recorded in the database" in said


def test_status_runs_no_revision(project: Project, one_database: Database) -> None:
    """A pending revision that fails by itself does not keep status from telling where the database stands."""
    applied(project)
    project.revision("b2", "raise ValueError('not today')", down="a1")
    project.table("c3", "third", down="b2")
    assert project.apply("--mode", "plan").returncode == 1
    done = project.erm("status", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["current"], document["heads"], document["pending"]) == (["a1"], ["c3"], ["b2", "c3"])
    assert tables(one_database) == {"first", "alembic_version"}


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
