"""A plan that is made from what was remembered says what a plan says that loads every file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.deploying import Project
from tests.support.databases import Database

TRACE = "loads = open({path!r}, 'a').write('x')\n"


@pytest.fixture
def deployed(one_database: Database, tmp_path: Path) -> Project:
    """Two revisions, applied and planned once; each leaves a trace when it is loaded."""
    project = Project(tmp_path, one_database)
    for path in (project.table("a1", "first"), project.table("b2", "second", down="a1")):
        path.write_text(path.read_text().replace("\n\ndef upgrade", f"\n{trace(project)}\n\ndef upgrade", 1))
    assert project.apply().returncode == 0
    assert plan(project)["pending"] == []
    (tmp_path / "loads").unlink()
    return project


def trace(project: Project) -> str:
    return TRACE.format(path=str(project.root / "loads"))


def plan(project: Project, *arguments: str, code: int = 0) -> Any:
    """A plan as JSON."""
    done = project.apply("--mode", "plan", "--format", "json", *arguments)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def was_loaded(project: Project) -> bool:
    return (project.root / "loads").exists()


def test_it_is_the_same_plan_without_loading_a_file(deployed: Project) -> None:
    """Plan and apply of an up-to-date database load no revision, and say the same as when they do."""
    remembered = plan(deployed)
    assert deployed.apply().returncode == 0
    assert not was_loaded(deployed)
    deployed.env["ERM_NO_CACHE"] = "1"
    assert plan(deployed) == remembered
    assert was_loaded(deployed)


def test_an_edit_of_an_applied_revision_is_drift(deployed: Project) -> None:
    """An edit that keeps the file's size is drift, as ever."""
    path = deployed.versions / "a1.py"
    path.write_text(path.read_text().replace("first", "fifth"))
    found = plan(deployed, code=1)
    assert [(each["kind"], each["object"]) for each in found["drift"]] == [("edited-revision", "a1")]


def test_a_ledger_that_knows_another_source_is_drift(deployed: Project, one_database: Database) -> None:
    """Remembered hashes are compared with what the ledger says now."""
    one_database.execute("UPDATE erm.revision SET source = 'x = 1', source_hash = 'other' WHERE revision = 'b2'")
    found = plan(deployed, code=1)
    assert [(each["kind"], each["object"]) for each in found["drift"]] == [("edited-revision", "b2")]


def test_a_new_revision_is_pending(deployed: Project) -> None:
    """A file that was added after the last plan is planned."""
    deployed.table("c3", "third", down="b2")
    assert [each["revision"] for each in plan(deployed)["pending"]] == ["c3"]


def test_a_database_that_stands_elsewhere_is_planned_in_full(deployed: Project, one_database: Database) -> None:
    """With the same files, another database (or one that was taken back) has its own pending revisions."""
    one_database.execute("UPDATE alembic_version SET version_num = 'a1'; DROP TABLE second")
    found = plan(deployed)
    assert [each["revision"] for each in found["pending"]] == ["b2"]
    assert found["pending"][0]["statements"]


def test_a_revision_that_no_file_declares_is_missing(deployed: Project, one_database: Database) -> None:
    """A recorded revision that is unknown is told with the file that the ledger has of it."""
    one_database.execute("UPDATE alembic_version SET version_num = 'zz'")
    found = plan(deployed, code=1)
    assert [(each["kind"], each["object"]) for each in found["drift"]] == [("missing-revision", "zz")]


def test_a_lost_file_is_missing(deployed: Project) -> None:
    """A file that was removed after the last plan is missing."""
    (deployed.versions / "b2.py").unlink()
    found = plan(deployed, code=1)
    assert [(each["kind"], each["object"]) for each in found["drift"]] == [("missing-revision", "b2")]


def test_a_plan_to_a_revision_loads_the_files(deployed: Project) -> None:
    """Only the question whether anything is left to do is answered from memory."""
    assert plan(deployed, "--to", "b2")["pending"] == []
    assert was_loaded(deployed)


def test_the_exemption_is_still_looked_up(deployed: Project) -> None:
    """A `downgrades_since` that names no revision is refused; one that does loads no file."""
    deployed.config("safety: {downgrades_since: nowhere}")
    done = deployed.apply("--mode", "plan")
    assert done.returncode == 1 or done.returncode == 2
    assert "is not a revision of this project" in done.stderr
    (deployed.root / "loads").unlink(missing_ok=True)  # to be certain of that, they were loaded
    deployed.config("safety: {downgrades_since: a1}")
    assert plan(deployed)["pending"] == []
    assert not was_loaded(deployed)


def test_the_cache_may_be_deleted_at_any_time(deployed: Project) -> None:
    """Without it, the files are loaded, and remembered again."""
    remembered = plan(deployed)
    (memo,) = (deployed.root / ".erm" / "cache").glob("graph-*.json")
    memo.unlink()
    assert plan(deployed) == remembered
    assert was_loaded(deployed) and memo.exists()
