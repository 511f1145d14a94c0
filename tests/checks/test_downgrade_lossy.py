"""downgrade-lossy: taking a revision back loses values."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.downgrade_lossy import CHECK
from erm_alembic.findings import Finding
from erm_alembic.planning.rehearsal import Proof
from tests.checks.building import plan, revision, step


def findings(proof: Proof | None) -> tuple[Finding, ...]:
    """What the check says of a plan with one revision that was proven so."""
    context = CheckContext(plan=plan(replace(step("SELECT 1"), proof=proof)), revisions=(revision("b2"),))
    return run_checks(context, {}, (CHECK,))


def test_what_would_be_lost_is_named() -> None:
    """Tables and columns, with their schemas."""
    (finding,) = findings(Proof("same", "lossy", ("public.users.age", "public.orders")))
    assert (finding.severity, finding.revision, finding.line) == ("warning", "b2", 3)
    assert finding.message == "Taking revision b2 back loses values of public.users.age, public.orders."


def test_a_way_down_that_loses_nothing_is_no_finding() -> None:
    """Nor is one of which that is not known."""
    for proof in (None, Proof("same", "lossless"), Proof("same", "unproven", reason="r")):
        assert findings(proof) == ()
