"""unknown-ignore: a comment names a rule, and one that it may let pass."""

from __future__ import annotations

import pytest

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.unknown_ignore import CHECK
from erm_alembic.findings import Finding
from tests.checks.building import WORKS, revision


def _said(comment: str) -> tuple[Finding, ...]:
    context = CheckContext(revisions=(revision("a", source=f"{WORKS}x = 1  {comment}\n"),))
    return run_checks(context, {}, (CHECK,))


def test_a_mistyped_rule_is_told_with_the_one_that_was_meant() -> None:
    """Nothing is ignored by it."""
    (finding,) = _said("# erm: ignore[data-and-schema-chnge] few rows")
    assert (finding.rule, finding.severity, finding.line) == ("unknown-ignore", "warning", 5)
    assert finding.message == "A comment ignores data-and-schema-chnge, which is no rule: nothing is ignored."
    assert finding.help == "Did you mean data-and-schema-change? `erm check --list` shows the rules."


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("# erm: ignore[data-loss] x", "A comment ignores data-loss, which no comment can: it is not about what"),
        ("# erm: ignore it is fine", "A comment ignores nothing: it names no rule."),
        ("# erm: ignore[] fine", "A comment ignores nothing: it names no rule."),
    ],
)
def test_a_comment_that_can_ignore_nothing_is_told(comment: str, message: str) -> None:
    """One about the history of a database, and one that names no rule."""
    (finding,) = _said(comment)
    assert finding.message.startswith(message)


def test_rules_that_a_comment_may_ignore_are_not_objected_to() -> None:
    """Several of them, squawk's own, and all of squawk's."""
    assert _said("# erm: ignore[work-after-exclusive-lock, squawk/ban-drop-column, squawk] small") == ()
