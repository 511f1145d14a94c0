"""The ready-made migration tests: what each finds, with the revision, its file and line, and the cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from erm_alembic.errors import ProjectError
from erm_alembic.revisions.source.downgrade import DowngradeReport
from erm_alembic.revisions.source.files import RevisionFile
from erm_alembic.testing import hooks
from erm_alembic.testing.history import judging
from erm_alembic.testing.history.reports import Reports
from erm_alembic.testing.history.revisions import in_order
from erm_alembic.testing.options import Chosen
from erm_alembic.testing.sandbox.sandbox import Sandbox
from tests.support.databases import Database
from tests.testing.applications import Application
from tests.testing.running import Run, tried

READY_MADE = "from erm_alembic.testing.migrations import *\n"
ONCE_EACH = """
from erm_alembic.testing.migrations import test_every_revision_loses_nothing


def test_of_our_own(erm_reports, erm_revision):
    assert erm_revision in [step["revision"] for step in erm_reports.plan["pending"]]
"""
CONFTEST = """
import pytest


@pytest.fixture(scope="session")
def erm_prepare():
    return "CREATE SCHEMA attic"


@pytest.fixture(scope="session")
def erm_seed():
    return "CREATE TABLE made_by_hand (id int)"
"""
NEEDING = """
def test_a(erm_session): pass
def test_b(erm_engine): pass
def test_c(): pass
"""
RULES = """
safety:
  rules: {no-lock-timeout: error, downgrade-lossy: error}
"""


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory, named_server: Database) -> Run:
    """A history with a wrong downgrade, models that have changed, a seed that makes a table, rules that are errors."""
    application = Application(tmp_path_factory.mktemp("wrong"))
    up = 'op.execute("SET lock_timeout = 0"); op.create_index("left_over", "notes", ["words"])'
    divides = '; op.execute("SELECT 1 / (length(words) - length(words)) FROM notes")'
    application.revision("c3", up + divides, 'op.execute("SELECT 1")', "b2")
    application.write("conftest.py", CONFTEST)
    application.write("checks/queue.py", "raise RuntimeError('the standard library has one of this name')")
    application.write("erm.yaml", RULES)
    application.write("checks/test_migrations.py", READY_MADE + ONCE_EACH)
    return tried(application.folder, "-p", "no:asyncio", "-rA", f"--erm-url={named_server.url}")


def test_a_downgrade_that_leaves_something_is_found(wrong: Run) -> None:
    """With its place; the revisions around it pass, unless a rule that is an error objects to them."""
    name = "test_every_revision_goes_up_down_and_up"
    assert [wrong.outcome(f"{name}[{each}]") for each in ("a1", "b2", "c3")] == ["FAILED", "PASSED", "FAILED"]
    assert wrong.told(f"{name}[c3]").splitlines() == [
        "migrations/versions/c3.py:9: downgrade-differs: Revision c3 is not taken back by its downgrade. After the way "
        "down, index public.left_over is left (CREATE INDEX left_over ON public.notes USING btree (words)).",
        "  Let `downgrade()` put back what `upgrade()` found.",
    ]
    assert wrong.told(f"{name}[a1]").startswith(
        "migrations/versions/a1.py:9: downgrade-lossy: Taking revision a1 back loses values of public.notes."
    )
    assert [wrong.outcome(f"test_of_our_own[{each}]") for each in ("a1", "b2", "c3")] == ["PASSED"] * 3


def test_what_a_way_down_costs_is_found_where_it_is_asked_for(wrong: Run) -> None:
    """By a test that is imported by its name, however loud the rules are that say so."""
    name = "test_every_revision_loses_nothing"
    assert [wrong.outcome(f"{name}[{each}]") for each in ("a1", "b2", "c3")] == ["FAILED", "PASSED", "FAILED"]
    assert "downgrade-lossy" in wrong.told(f"{name}[a1]") and "downgrade-differs" in wrong.told(f"{name}[c3]")
    quiet = {**REPORT, "findings": [{**LOSS, "severity": "warning"}]}
    assert judging.of_revision(quiet, "a1").failure is None
    assert judging.losses(quiet, "a1").failure == "v/a1.py:3: downgrade-lossy: It loses values.\n  Put them back."
    assert judging.losses({**quiet, "findings": [{**LOSS, "overridden": "a cache"}]}, "a1").failure is None


def test_a_revision_that_fails_on_rows_is_told_as_a_warning(wrong: Run) -> None:
    """No table of a test's history has rows that count; those of production may end the revision."""
    assert "versions/c3.py: upgrade-fails-on-rows: The upgrade of c3 fails in the shadow on rows" in wrong.out


def test_models_that_have_changed_are_found(wrong: Run) -> None:
    """The index is in no model."""
    assert wrong.told("test_models_match_the_revisions").splitlines() == [
        "The models are not what the revisions make:",
        "  index public.left_over: expected absent, found CREATE INDEX left_over ON notes (words)",
        "Write the missing revision with `erm gen -m MESSAGE`, or correct the models.",
    ]


def test_what_a_seed_makes_of_the_schema_is_found(wrong: Run) -> None:
    """And what an administrator makes beforehand is not."""
    title, table, cure = wrong.told("test_the_test_database_has_no_drift").splitlines()
    assert title == "The database of a test is not what the revisions make:"
    assert table.startswith("  table public.made_by_hand: expected absent, found table")
    assert cure.startswith("What `erm_seed` or env.py make of the schema, a revision has to make;")


def test_what_another_rule_objects_to_is_found(wrong: Run) -> None:
    """A rule that erm.yaml makes an error; what the other tests tell is not told again. One head is one head."""
    told = wrong.told("test_plan_has_no_errors")
    assert told.startswith("migrations/versions/c3.py:7: no-lock-timeout: ") and "downgrade-" not in told
    assert wrong.outcome("test_single_head") == "PASSED"


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory, named_server: Database) -> Run:
    """A history with two heads, one of which fails on its way up and one of which cannot go back; in two processes."""
    application = Application(tmp_path_factory.mktemp("failing"))
    application.revision("c3", 'op.execute("SELECT 1")\n\nirreversible = "told to the world"', "pass", "b2")
    application.revision("d4", 'op.execute("SELECT * FROM nowhere")', 'op.execute("SELECT 1")', "c3")
    application.revision("e5", 'op.execute("SELECT 1")', 'op.execute("SELECT 1")', "d4")
    application.revision("d6", 'op.execute("SELECT 1")', 'op.execute("SELECT 1")', "c3")
    application.write("test_migrations.py", READY_MADE)
    application.write(
        "test_notes.py", "def test_a(erm_session): pass\ndef test_b(erm_engine): pass\ndef test_c(): pass\n"
    )
    return tried(application.folder, "-p", "no:asyncio", "-rA", "-n", "2", f"--erm-url={named_server.url}")


def test_several_heads_are_found(failing: Run) -> None:
    """With their files."""
    told = failing.told("test_single_head").splitlines()
    assert told[0] == "The history has 2 heads: d6, e5."
    assert sorted(told[1:3]) == ["  migrations/versions/d6.py", "  migrations/versions/e5.py"]
    assert told[3].startswith("Join them with `alembic merge heads`")


def test_a_revision_that_fails_is_found_and_what_comes_after_it_is_skipped(failing: Run) -> None:
    """So is what declares that there is no way back, with its reason."""
    name = "test_every_revision_goes_up_down_and_up"
    assert failing.outcome(f"{name}[d4]") == "FAILED"
    assert failing.told(f"{name}[d4]").startswith("migrations/versions/d4.py:7: rehearsal-failed: ")
    assert "told to the world" in failing.out and "revision d4 fails before it" in failing.out
    assert failing.outcome(f"{name}[b2]") == "PASSED"
    assert "d4" in failing.told("test_models_match_the_revisions")


def _revision(name: str, *after: str, depends_on: tuple[str, ...] = ()) -> RevisionFile:
    report = DowngradeReport("ok")
    return RevisionFile(name, after, f"{name}.py", "", report, depends_on)


def test_revisions_come_after_those_that_they_build_on() -> None:
    """Also those of other branches, merges, and files that name what there is not, or each other."""
    merge = _revision("m", "b", "c")
    assert in_order([merge, _revision("c", "a"), _revision("b", "a"), _revision("a")]) == ("a", "b", "c", "m")
    assert in_order([_revision("x", depends_on=("y",)), _revision("y")]) == ("y", "x")
    assert set(in_order([_revision("x", "y"), _revision("y", "x"), _revision("z", "gone")])) == {"x", "y", "z"}


REPORT: dict[str, Any] = {
    "heads": ["a1"],
    "pending": [{"revision": "a1", "path": "a1.py", "downgrade": "missing", "proof": None}],
    "findings": [],
    "rehearsal": {"status": "done", "failed": None},
    "comparisons": [],
    "drift": [],
    "cannot_run": None,
}


LOSS = {
    "rule": "downgrade-lossy", "severity": "warning", "revision": "a1", "path": "v/a1.py", "line": 3,
    "message": "It loses values.", "help": "Put them back.",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, judging.Said(skip="its way down is missing")),
        ({"rehearsal": {"status": "unknown", "reason": "no PostgreSQL"}}, "could not be tried out: no PostgreSQL"),
        ({"pending": [], "rehearsal": None}, "Revision a1 is not on the way from an empty database"),
        (
            {"findings": [{"rule": "missing-downgrade", "severity": "warning", "revision": "a1"}]},
            judging.Said(skip="its way down is missing"),
        ),
    ],
)
def test_a_revision_that_was_not_proven_says_so(changed: dict[str, Any], said: judging.Said | str) -> None:
    """What is exempt is skipped; where nothing was tried out, nothing passes."""
    found = judging.of_revision({**REPORT, **changed}, "a1")
    if isinstance(said, str):
        assert found.failure is not None and said in found.failure
    else:
        assert found == said


def test_what_could_not_be_compared_does_not_pass() -> None:
    """A project without models is skipped."""
    assert judging.drift_of_models(REPORT).skip is not None
    unknown = {**REPORT, "comparisons": [{"source": "models", "verdict": "unknown", "reason": "no shadow"}]}
    assert judging.drift_of_models(unknown).failure == "Whether they agree is not known: no shadow"
    assert judging.drift_of_tests(REPORT).failure == "Nothing was compared."


def test_a_project_that_cannot_be_read_fails_its_tests_and_not_the_collection(
    tmp_path: Path, named_server: Database
) -> None:
    """With the words of erm; other tests run."""
    application = Application(tmp_path)
    chosen = Chosen(tmp_path, url=named_server.url)
    assert hooks.revisions_of(chosen) == ("a1", "b2")
    with Sandbox(chosen, None, None, "run") as sandbox:
        application.write("migrations/versions/c3.py", "revision = (\n")
        assert hooks.revisions_of(chosen) == ("unreadable",)
        with pytest.raises(ProjectError, match=r"migrations/versions/c3\.py:1: .* was never closed"):
            _ = Reports(sandbox, chosen, tmp_path).plan


def test_a_revision_that_fails_is_told_to_whoever_needs_a_database(failing: Run) -> None:
    """In a few lines, without a traceback; others pass."""
    assert [failing.outcome(f"test_{name}") for name in "abc"] == ["ERROR", "ERROR", "PASSED"]
    for test in ("test_a", "test_b"):
        assert failing.told(test).splitlines() == [
            "migrations/versions/d4.py:7: revision d4 fails in the test database: ProgrammingError: "
            '(psycopg2.errors.UndefinedTable) relation "nowhere" does not exist',
            "No test database was made.",
            "Where an administrator makes what is missing, make it in `erm_prepare`; else correct the revision.",
        ]
