"""inserted-revision: nothing is slipped in before what is applied."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.inserted_revision import CHECK
from erm_alembic.planning.model import Drift
from tests.faults.deploying import Project
from tests.render.plans import EMPTY
from tests.support.databases import Database


def test_an_inserted_revision_is_an_error_with_both_places() -> None:
    """The message says that it is passed over, the help where it belongs."""
    drift = Drift(
        "inserted-revision", "n1", "history", "b2 builds on a1", "b2 builds on n1; n1 never ran here", "v/b2.py"
    )
    (finding,) = run_checks(CheckContext(plan=replace(EMPTY, drift=(drift,))), {}, (CHECK,))
    assert (finding.rule, finding.severity, finding.revision, finding.path) == (
        *("inserted-revision", "error", "n1", "v/b2.py"),
    )
    assert finding.message == (
        "Revision n1 was put before one that is applied to this database, and never ran here: Alembic takes it for "
        "applied, and passes it over for good. Found: b2 builds on n1; n1 never ran here."
    )
    assert run_checks(CheckContext(plan=EMPTY), {}, (CHECK,)) == ()


def _findings(project: Project) -> list[tuple[str, str]]:
    planned = json.loads(project.erm("migrate", "--mode", "plan", "--format", "json").stdout)
    history = ("inserted-revision", "edited-revision")
    return [(each["rule"], each["revision"]) for each in planned["findings"] if each["rule"] in history]


def test_a_history_that_was_changed_below_what_is_applied_is_seen(one_database: Database, tmp_path: Path) -> None:
    """Each inserted one is told, once; the revision that was only moved is not told as edited besides."""
    project = Project(tmp_path, one_database)
    project.config("shadow: {rehearse: false}")
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    assert project.erm("migrate").returncode == 0
    project.table("n1", "slipped_in", down="a1")
    project.table("n2", "slipped_in_too", down="n1")
    project.table("b2", "second", down="n2")
    assert _findings(project) == [("inserted-revision", "n2"), ("inserted-revision", "n1")]
    project.table("b2", "another", down="n2")
    assert ("edited-revision", "b2") in _findings(project)
    project.table("b2", "second", down="a1")
    project.table("n1", "slipped_in", down="b2")
    assert _findings(project) == []
