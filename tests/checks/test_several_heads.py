"""several-heads: the revision files end in more than one place."""

from __future__ import annotations

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.several_heads import CHECK
from tests.checks.building import revision


def test_two_heads_are_a_warning_with_the_command_that_joins_them() -> None:
    """The message names the heads, the help the merge."""
    revisions = (revision("a"), revision("b", "a"), revision("c", "a"))
    (finding,) = run_checks(CheckContext(revisions=revisions), {}, (CHECK,))
    assert (finding.rule, finding.severity) == ("several-heads", "warning")
    assert finding.message.startswith("The revisions end in 2 heads (b, c)")
    assert '`alembic merge -m "Merge branches" b c`' in finding.help


def test_a_merged_history_has_one_head() -> None:
    """A merge ends both branches; a dependency alone does not end one."""
    revisions = (revision("a"), revision("b", "a"), revision("c", "a"), revision("d", "b", "c"))
    assert run_checks(CheckContext(revisions=revisions), {}, (CHECK,)) == ()
    apart = (revision("a"), revision("b", depends_on=("a",)))
    assert len(run_checks(CheckContext(revisions=apart), {}, (CHECK,))) == 1
