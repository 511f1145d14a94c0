"""A plan that is made while somebody else deploys: what it read in the middle of that is read again afterwards."""

from __future__ import annotations

import json

import pytest

from tests.faults.deploying import HOLDS, Project, tables, told, until
from tests.support.databases import Database

# Whoever plans with PLANS set stops here until there is a file `go`, and finds what another deployer has done by then.
SLOW = """
    import os, pathlib, time
    if "PLANS" in os.environ:
        pathlib.Path("planning").touch()
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
    assert op.get_bind().scalar(sa.text("SELECT to_regclass('second') IS NULL")), "second is there"
    op.execute("CREATE TABLE second (id int)")
"""


@pytest.fixture
def slow(project: Project) -> Project:
    """A project whose second revision cannot be planned where it has been run."""
    project.table("a1", "first")
    project.revision("b2", SLOW, 'op.drop_table("second")', down="a1")
    assert project.apply("--to", "a1").returncode == 0
    return project


def test_a_revision_that_another_one_ran_meanwhile_is_not_called_wrong(slow: Project, one_database: Database) -> None:
    """Another deployer does everything while this one reads: this one plans again, and finds nothing to do."""
    slow.env = {"PLANS": "1"}
    with slow.deploying() as second:
        second.until((slow.root / "planning").exists)
        slow.env = {}
        assert slow.apply().returncode == 0
        (slow.root / "go").touch()
        code, out, err = second.ended()
    assert (code, "Nothing to do" in out) == (0, True), out + err
    assert tables(one_database) == {"alembic_version", "first", "second"}
    assert [run["outcome"] for run in slow.runs()] == ["done", "done"]


def test_another_deployment_that_goes_on_is_waited_for(slow: Project, one_database: Database) -> None:
    """Another deployer has not ended yet: it is waited for as long as --wait says, then named."""
    slow.revision("c3", HOLDS, down="b2")
    with one_database.connect() as blocking, blocking.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(42)")
        slow.env = {"PLANS": "1"}
        with slow.deploying("--wait", "60s") as patient, slow.deploying("--wait", "0s") as impatient:
            until((slow.root / "planning").exists)
            slow.env = {}
            with slow.deploying() as first:
                first.until(lambda: "second" in tables(one_database))
                (slow.root / "go").touch()
                code, _, err = impatient.ended()
                assert code == 1
                assert err.startswith("error:  Another deployment is under way, by pid "), err
                assert "what is planned in the middle of it would not be true." in err
                cursor.execute("SELECT pg_advisory_unlock(42)")
                assert first.ended()[0] == 0
            assert patient.ended()[0] == 0
    assert [run["outcome"] for run in slow.runs()] == ["done", "done"]


def test_a_revision_that_fails_by_itself_fails_at_once(slow: Project, one_database: Database) -> None:
    """Where nobody else is at work, a revision that cannot be planned is said to be wrong."""
    one_database.execute("CREATE TABLE second (id int)")
    code, lines = told(slow.apply())
    assert code == 1
    assert lines[0].endswith("revision b2 fails before it writes anything: AssertionError: second is there")
    plan = slow.apply("--mode", "plan", "--format", "json")
    assert json.loads(plan.stdout)["error"]["what"].startswith("migrations/versions/b2.py:")
