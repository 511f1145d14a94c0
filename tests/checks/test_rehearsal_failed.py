"""rehearsal-failed: a pending revision failed in the shadow."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.rehearsal_failed import CHECK
from erm_alembic.findings import Finding
from erm_alembic.planning.rehearsal import FailedRevision, Rehearsal
from tests.checks.building import plan, step

FAILED = FailedRevision("b2", "versions/b2.py", 12, 'relation "users" does not exist')


def findings(failed: FailedRevision | None) -> tuple[Finding, ...]:
    """What the check says of a plan whose rehearsal ended so."""
    rehearsed = replace(plan(step("DROP TABLE users")), rehearsal=Rehearsal("done", failed=failed))
    return run_checks(CheckContext(plan=rehearsed), {}, (CHECK,))


def test_a_revision_that_fails_blocks_at_its_line() -> None:
    """What fails on the target's schema fails on the target."""
    (finding,) = findings(FAILED)
    assert (finding.severity, finding.path, finding.line) == ("error", "versions/b2.py", 12)
    assert finding.message == (
        'Revision b2 fails in the shadow: relation "users" does not exist. It would fail on the target too; it and '
        "what comes after it was not proven."
    )


def test_a_revision_that_may_fail_in_the_shadow_only_warns() -> None:
    """The shadow's own reason is told, and nothing is blocked."""
    (finding,) = findings(replace(FAILED, only_there="the shadow has none of the target's rows"))
    assert finding.severity == "warning"
    assert "It may fail there only, for the shadow has none of the target's rows;" in finding.message


def test_a_rehearsal_that_came_to_its_end_is_no_finding() -> None:
    """Nothing failed, nothing is said."""
    assert findings(None) == ()
