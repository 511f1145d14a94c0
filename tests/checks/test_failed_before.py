"""failed-before: what failed when it was last tried, and has no way back, is not applied again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.failed_before import CHECK
from erm_alembic.ledger.failed_before import FailedBefore
from erm_alembic.planning.model import Plan, Step
from erm_alembic.planning.surroundings import Surroundings
from tests.faults.deploying import Project
from tests.support.databases import Database

AT = datetime(2026, 3, 1, 4, 30, tzinfo=UTC)
EXEMPT = "safety: {rules: {missing-downgrade: 'off'}}"
FAILS = 'op.execute("ALTER TABLE missing ADD COLUMN n int")'
WORKS = 'op.execute("CREATE TABLE t (n int)")'


@pytest.mark.parametrize(("release", "what"), [(None, "failed"), (3, "was taken back by release 3")])
def test_it_says_when_it_failed_and_what_to_do(release: int | None, what: str) -> None:
    """The run is named, the help says which two ways there are to apply it."""
    step = Step("4f2a", (), "totals", "v/4f2a.py", "upgrade", "empty")
    plan = Plan("prod", "postgresql://db", "15.18", "upgrade", (), ("4f2a",), (step,))
    around = Surroundings(failed=(FailedBefore("4f2a", 7, AT, release),))
    (finding,) = run_checks(CheckContext(plan=plan, around=around), {}, (CHECK,))
    assert (finding.severity, finding.path) == ("error", "v/4f2a.py")
    assert finding.message == (
        f"Revision 4f2a {what} in run 7 (2026-03-01 04:30:00 UTC), and it has an empty downgrade: "
        "if it fails again, nothing takes it back."
    )
    assert "--override failed-before --reason TEXT" in finding.help


def test_it_is_applied_once_its_downgrade_is_written_or_somebody_says_why(
    project: Project, one_database: Database
) -> None:
    """A failure blocks a revision without a way back, whatever exempts it; a downgrade, or a reason, lets it pass."""
    project.config(EXEMPT)
    project.revision("a1", FAILS, "pass")
    _fail(project, one_database)
    project.revision("a1", WORKS, "pass")
    again = project.apply()
    assert (again.returncode, "failed-before" in again.stdout) == (1, True)
    project.revision("a1", WORKS, 'op.execute("DROP TABLE t")')
    assert project.apply().returncode == 0


def test_an_override_is_enough(project: Project, one_database: Database) -> None:
    """Who applies it all the same says why, and the ledger keeps that."""
    project.config(EXEMPT)
    project.revision("a1", FAILS, "pass")
    _fail(project, one_database)
    project.revision("a1", WORKS, "pass")
    assert project.apply("--override", "failed-before", "--reason", "tried on a copy").returncode == 0
    assert one_database.execute("SELECT overrides FROM erm.run ORDER BY id DESC LIMIT 1") == [
        (["failed-before: tried on a copy"],)
    ]


def test_what_succeeded_since_has_not_failed(project: Project, one_database: Database) -> None:
    """A revision that was applied after its failure, and taken back by hand, is free again."""
    project.config(EXEMPT)
    project.revision("a1", FAILS, 'op.execute("DROP TABLE t")')
    _fail(project, one_database)
    project.revision("a1", WORKS, 'op.execute("DROP TABLE t")')
    assert project.apply().returncode == 0
    assert project.apply("--mode", "rollback").returncode == 0
    project.revision("a1", WORKS, "pass")
    assert project.apply().returncode == 0


def _fail(project: Project, database: Database) -> None:
    assert project.apply().returncode == 1
    assert database.execute("SELECT revision, outcome FROM erm.revision") == [("a1", "failed")]


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, one_database: Database) -> Project:
    """A project without revisions."""
    return Project(tmp_path_factory.mktemp("project"), one_database)
