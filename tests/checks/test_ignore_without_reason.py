"""ignore-without-reason: what is ignored says why."""

from __future__ import annotations

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.ignore_without_reason import CHECK
from tests.checks.building import WORKS, revision


def test_a_comment_without_a_reason_is_told_at_its_line() -> None:
    """The help has the comment to complete."""
    context = CheckContext(revisions=(revision("a", source=f"{WORKS}x = 1  # erm: ignore[several-heads]\n"),))
    (finding,) = run_checks(context, {}, (CHECK,))
    assert (finding.rule, finding.severity, finding.path, finding.line) == (
        "ignore-without-reason",
        "warning",
        "versions/a.py",
        5,
    )
    assert finding.help == "Write the reason behind it: `erm: ignore[several-heads] REASON`."


def test_a_comment_with_a_reason_is_not_objected_to() -> None:
    """Neither is a string that looks like one."""
    source = f"{WORKS}x = '# erm: ignore[a]'  # erm: ignore[several-heads] kept apart\n"
    assert run_checks(CheckContext(revisions=(revision("a", source=source),)), {}, (CHECK,)) == ()
