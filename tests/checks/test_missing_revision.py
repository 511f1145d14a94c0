"""missing-revision: the database records a revision whose file is gone."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.missing_revision import CHECK
from erm_alembic.planning.model import Drift
from tests.render.plans import EMPTY


def test_a_recorded_revision_without_a_file_is_an_error_with_the_way_to_restore_it() -> None:
    """The message names the revision, the help the command that writes its file back."""
    drift = Drift("missing-revision", "4f2a", "history", "a file", "no file")
    (finding,) = run_checks(CheckContext(plan=replace(EMPTY, drift=(drift,))), {}, (CHECK,))
    assert (finding.rule, finding.severity, finding.revision) == ("missing-revision", "error", "4f2a")
    assert finding.message == (
        "Revision 4f2a was applied to this database, but no file of the project declares it: "
        "neither what it did nor how to take it back is known here."
    )
    assert "`erm history restore 4f2a`" in finding.help
    prod = replace(EMPTY, environment="prod", drift=(drift,))
    (finding,) = run_checks(CheckContext(plan=prod), {}, (CHECK,))
    assert "`erm history restore 4f2a --env prod`" in finding.help


def test_drift_of_another_kind_is_left_to_its_own_check() -> None:
    """An edited revision is not a missing one."""
    drift = Drift("edited-revision", "4f2a", "history", "a", "b")
    assert run_checks(CheckContext(plan=replace(EMPTY, drift=(drift,))), {}, (CHECK,)) == ()
