"""downgrade-differs: a downgrade that does not put back what its upgrade changed."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.downgrade_differs import CHECK
from erm_alembic.findings import Finding
from erm_alembic.planning.rehearsal import Proof
from tests.checks.building import plan, revision, step


def findings(proof: Proof | None) -> tuple[Finding, ...]:
    """What the check says of a plan with one revision that was proven so."""
    context = CheckContext(plan=plan(replace(step("SELECT 1"), proof=proof)), revisions=(revision("b2"),))
    return run_checks(context, {}, (CHECK,))


def test_what_is_left_is_told_at_the_downgrade() -> None:
    """The finding blocks, and stands at the line of the down script."""
    (finding,) = findings(
        Proof("differs", "lossless", differences=("After the way down, index public.i is left (i).",))
    )
    assert (finding.severity, finding.revision, finding.path, finding.line) == ("error", "b2", "versions/b2.py", 3)
    assert finding.message == (
        "Revision b2 is not taken back by its downgrade. After the way down, index public.i is left (i)."
    )
    assert finding.help == "Let `downgrade()` put back what `upgrade()` found."


def test_of_many_differences_the_first_are_told() -> None:
    """A finding stays readable; the plan's JSON has them all."""
    (finding,) = findings(Proof("differs", "unproven", differences=tuple(f"{number}." for number in range(9))))
    assert finding.message.endswith("downgrade. 0. 1. 2. 3. 4. and 4 more")


def test_an_enum_value_may_be_declared_to_stay() -> None:
    """The help shows how."""
    left = "After the way down, public.mood.'happy' is left in its enum."
    (finding,) = findings(Proof("differs", "lossless", differences=(left,)))
    assert "`keeps = (\"public.mood.'happy'\",)`" in finding.help


def test_what_comes_back_is_no_finding() -> None:
    """Nor is what was not proven, and what could not be run, of which another rule tells."""
    for proof in (None, Proof("same", "lossy", ("public.t",)), Proof("failed", "impossible", reason="r")):
        assert findings(proof) == ()
