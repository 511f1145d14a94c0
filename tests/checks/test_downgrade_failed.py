"""downgrade-failed: a downgrade, or the upgrade after it, that cannot be run."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.downgrade_failed import CHECK
from erm_alembic.findings import Finding
from erm_alembic.planning.rehearsal import Proof
from tests.checks.building import plan, revision, step


def findings(proof: Proof | None) -> tuple[Finding, ...]:
    """What the check says of a plan with one revision that was proven so."""
    context = CheckContext(plan=plan(replace(step("SELECT 1"), proof=proof)), revisions=(revision("b2"),))
    return run_checks(context, {}, (CHECK,))


def test_a_way_down_that_cannot_be_run_blocks() -> None:
    """The reason is the server's, or the revision's own."""
    (finding,) = findings(Proof("failed", "impossible", reason="The way down fails: cannot drop table a"))
    assert (finding.severity, finding.revision, finding.line) == ("error", "b2", 3)
    assert finding.message == (
        "Revision b2 cannot be taken back and applied again, even without rows. The way down fails: cannot drop table a"
    )


def test_what_can_be_run_is_no_finding() -> None:
    """Whether it puts everything back is another rule's concern."""
    for proof in (None, Proof("same", "impossible", reason="r"), Proof("differs", "lossless", differences=("d",))):
        assert findings(proof) == ()
