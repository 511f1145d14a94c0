"""missing-downgrade: a revision that cannot be rolled back and does not say so."""

from __future__ import annotations

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.missing_downgrade import CHECK, exempted
from erm_alembic.revisions.source.downgrade import inspect_downgrade
from tests.checks.building import EMPTY, MISSING, WORKS, revision


def test_an_empty_downgrade_is_an_error_that_says_where_it_is_and_what_to_do() -> None:
    """The finding names revision, file, line, what stands there, and the three ways out, in these words."""
    context = CheckContext(revisions=(revision("a"), revision("b", "a", source=EMPTY)))
    (finding,) = run_checks(context, {}, (CHECK,))
    assert (finding.rule, finding.severity, finding.revision) == ("missing-downgrade", "error", "b")
    assert (finding.path, finding.line) == ("versions/b.py", 3)
    assert finding.message == "Revision b cannot be rolled back: its downgrade contains only `pass`."
    assert finding.help == (
        "Fill `downgrade()` with what takes `upgrade()` back, or declare why there is no way back: "
        '`irreversible = "reason"` at the top level of the file. To adopt a project with such a history, '
        "exempt it: `safety: {downgrades_since: b}` in erm.yaml."
    )


def test_a_missing_downgrade_is_an_error_without_a_line() -> None:
    """A function that is not there has no line; the message says that it is missing."""
    (finding,) = run_checks(CheckContext(revisions=(revision("a", source=MISSING),)), {}, (CHECK,))
    assert finding.message == "Revision a cannot be rolled back: the file has no `downgrade` function."
    assert finding.line is None


def test_a_downgrade_of_the_wrong_kind_is_described_as_what_it_is() -> None:
    """A coroutine reads `its downgrade is an async def`, not `contains`."""
    source = "def upgrade(): work()\nasync def downgrade(): work()"
    (finding,) = run_checks(CheckContext(revisions=(revision("a", source=source),)), {}, (CHECK,))
    assert "its downgrade is an `async def`, which Alembic calls but never awaits." in finding.message


def test_an_irreversible_revision_and_a_working_one_are_not_objected_to() -> None:
    """A declared reason is as good as a down script."""
    declared = "irreversible = 'drops personal data'\n" + EMPTY
    assert inspect_downgrade(WORKS).state == "ok"
    context = CheckContext(revisions=(revision("a"), revision("b", "a", source=declared)))
    assert run_checks(context, {}, (CHECK,)) == ()


def test_exempt_revisions_are_counted_and_let_pass() -> None:
    """Only exempt revisions that break the rule are counted."""
    revisions = (revision("a"), revision("b", "a", source=EMPTY), revision("c", "b", source=MISSING))
    context = CheckContext(revisions=revisions, exempt=frozenset({"a", "b"}))
    assert [finding.revision for finding in run_checks(context, {}, (CHECK,))] == ["c"]
    assert exempted(context) == 1
