"""not-rehearsed: there was no shadow to try the plan out in."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.not_rehearsed import CHECK
from erm_alembic.planning.rehearsal import Rehearsal
from tests.checks.building import plan, step

PLAN = plan(step("DROP TABLE users"))


def test_a_missing_shadow_is_a_warning_with_its_reason() -> None:
    """The message has the reason, and the plan is not blocked."""
    rehearsal = Rehearsal("unknown", "No PostgreSQL was found on this machine.")
    (finding,) = run_checks(CheckContext(plan=replace(PLAN, rehearsal=rehearsal)), {}, (CHECK,))
    assert (finding.rule, finding.severity) == ("not-rehearsed", "warning")
    assert finding.message == (
        "The plan was not rehearsed, so nobody knows what its statements lock: No PostgreSQL was found on this machine."
    )
    assert "env.py" in finding.help and "shadow.url" in finding.help


def test_a_rehearsal_that_nobody_wanted_is_no_finding() -> None:
    """Skipped, done, or nothing to rehearse: no finding."""
    for rehearsal in (None, Rehearsal("skipped", "--no-rehearse was given"), Rehearsal("done")):
        assert run_checks(CheckContext(plan=replace(PLAN, rehearsal=rehearsal)), {}, (CHECK,)) == ()
