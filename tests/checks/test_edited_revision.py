"""edited-revision: the code of a revision changed after it was applied."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.edited_revision import CHECK
from erm_alembic.planning.model import Drift
from tests.render.plans import EMPTY


def test_an_edit_of_an_applied_revision_is_an_error_at_its_file() -> None:
    """The message says what differs between old and new databases, the help how to go on."""
    drift = Drift("edited-revision", "4f2a", "history", "a", "b", path="versions/4f2a.py")
    (finding,) = run_checks(CheckContext(plan=replace(EMPTY, drift=(drift,))), {}, (CHECK,))
    assert (finding.rule, finding.severity, finding.path) == ("edited-revision", "error", "versions/4f2a.py")
    assert finding.message == (
        "The code of revision 4f2a changed after it was applied to this database: the database "
        "has what the old code did, a new database would get what the new code does."
    )
    assert "`erm new NAME`" in finding.help


def test_drift_of_another_kind_is_left_to_its_own_check() -> None:
    """A missing revision is not an edited one."""
    drift = Drift("missing-revision", "4f2a", "history", "a", "b")
    assert run_checks(CheckContext(plan=replace(EMPTY, drift=(drift,))), {}, (CHECK,)) == ()
