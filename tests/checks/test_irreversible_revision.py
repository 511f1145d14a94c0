"""irreversible-revision: a rollback stops before a revision that says it cannot be taken back."""

from __future__ import annotations

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.irreversible_revision import CHECK
from erm_alembic.planning.model import Plan, Step
from erm_alembic.planning.request import Direction


def _plan(direction: Direction) -> Plan:
    step = Step("4f2a", (), "drop cards", "v/4f2a.py", direction, "irreversible", "the cards are gone")
    return Plan("prod", "postgresql://db", "15.18", direction, ("4f2a",), ("4f2a",), (step,))


def test_a_rollback_over_a_declared_revision_is_refused_with_its_reason() -> None:
    """The reason is the author's own words."""
    (finding,) = run_checks(CheckContext(plan=_plan("downgrade")), {}, (CHECK,))
    assert (finding.severity, finding.revision, finding.path) == ("error", "4f2a", "v/4f2a.py")
    assert finding.message == "Revision 4f2a declares that it cannot be taken back: the cards are gone"
    assert "`--to 4f2a`" in finding.help


def test_going_up_is_not_held_back() -> None:
    """Apply only shows the reason."""
    assert run_checks(CheckContext(plan=_plan("upgrade")), {}, (CHECK,)) == ()
