"""off-the-current-heads: a pending revision builds on where the database is."""

from __future__ import annotations

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.off_the_current_heads import CHECK
from erm_alembic.findings import Finding
from erm_alembic.planning.model import Step
from tests.checks.building import plan, step


def _said(*steps: Step, current: tuple[str, ...]) -> tuple[Finding, ...]:
    return run_checks(CheckContext(plan=plan(*steps, current=current)), {}, (CHECK,))


def test_a_revision_that_builds_on_an_older_one_is_told_with_both_ways_out() -> None:
    """The message names it, what it builds on and where the database is."""
    (finding,) = _said(step(revision="d4", down=("b2",)), step(revision="e5", down=("d4",)), current=("c3",))
    assert (finding.rule, finding.severity, finding.revision) == ("off-the-current-heads", "warning", "d4")
    assert finding.message == (
        "Revision d4 builds on b2, not on c3, which the database is at: it was written without what is applied since, "
        "and was not tried after it."
    )
    assert '`alembic merge -m "Merge branches" c3 d4`' in finding.help


def test_a_line_two_new_branches_and_a_new_beginning_are_not_objected_to() -> None:
    """All of them build on where the database is, or on nothing."""
    assert _said(step(revision="d4", down=("c3",)), step(revision="e5", down=("d4",)), current=("c3",)) == ()
    assert _said(step(revision="d4", down=("c3",)), step(revision="e5", down=("c3",)), current=("c3",)) == ()
    assert _said(step(revision="x1", down=()), current=("c3",)) == ()
    assert _said(step(revision="d4", down=("b2",)), current=("b2", "c3")) == ()


def test_a_merge_that_is_pending_with_it_joins_it() -> None:
    """Also where other revisions stand between them."""
    late, later = step(revision="d4", down=("b2",)), step(revision="e5", down=("d4",))
    assert _said(late, later, step(revision="f6", down=("c3", "e5")), current=("c3",)) == ()
