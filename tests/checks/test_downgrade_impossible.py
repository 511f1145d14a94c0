"""downgrade-impossible: rows that can be written after an upgrade make its downgrade fail."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.downgrade_impossible import CHECK
from erm_alembic.findings import Finding
from erm_alembic.planning.rehearsal import Proof
from tests.checks.building import plan, revision, step


def findings(proof: Proof | None) -> tuple[Finding, ...]:
    """What the check says of a plan with one revision that was proven so."""
    context = CheckContext(plan=plan(replace(step("SELECT 1"), proof=proof)), revisions=(revision("b2"),))
    return run_checks(context, {}, (CHECK,))


def test_a_way_down_that_rows_can_stop_is_a_warning() -> None:
    """It says on what it failed."""
    (finding,) = findings(Proof("same", "impossible", reason="The way down fails on rows: value too long."))
    assert (finding.severity, finding.revision, finding.line) == ("warning", "b2", 3)
    assert finding.message == (
        "Revision b2 can be taken back only as long as nobody has written what it newly allows. "
        "The way down fails on rows: value too long."
    )


def test_what_no_row_can_stop_is_no_finding() -> None:
    """One that cannot be run at all is another rule's concern."""
    for proof in (None, Proof("same", "lossless"), Proof("failed", "impossible", reason="r")):
        assert findings(proof) == ()
