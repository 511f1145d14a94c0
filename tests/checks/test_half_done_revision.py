"""half-done-revision: a part of a revision is committed, the rest of it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.half_done_revision import CHECK
from erm_alembic.checks.overrides import Override, override_findings
from erm_alembic.findings import Finding
from erm_alembic.planning.model import HalfDoneRevision, Plan
from tests.render.plans import INDEX, ORDERS, PLAN

HALF = HalfDoneRevision(
    revision=ORDERS.revision,
    direction="upgrade",
    path=ORDERS.path,
    run_id=7,
    since=datetime(2025, 3, 1, 12, 30, tzinfo=UTC),
    committed=2,
    last_line=14,
    last_sql="CREATE INDEX CONCURRENTLY i ON orders (id)",
    next_line=18,
    next_sql="ALTER TABLE orders ADD CHECK (id > ?)",
)


def judged(plan: Plan, *halves: HalfDoneRevision, rules: dict[str, str] | None = None) -> tuple[Finding, ...]:
    """What the check says of a plan while these revisions are half done."""
    return run_checks(CheckContext(plan=replace(plan, half_done=halves)), rules or {}, (CHECK,))


def test_a_revision_that_apply_goes_on_with_is_only_to_know() -> None:
    """The message says what stays and where apply goes on; it blocks nothing, and no rule makes it block."""
    (finding,) = judged(PLAN, HALF, rules={"half-done-revision": "error"})
    assert (finding.severity, finding.path, finding.line) == ("info", ORDERS.path, 18)
    assert finding.message == (
        "Revision a1b2c3 is half done since run 7 (2025-03-01 12:30:00 UTC): 2 statements are committed, the last one "
        "of line 14; apply goes on at line 18: ALTER TABLE orders ADD CHECK (id > ?)"
    )
    assert finding.help == (
        "`erm repair a1b2c3 --env prod` shows what is committed and how to go on: "
        "resume it, take it back, or mark it done."
    )


def test_where_the_next_statement_is_not_known_the_last_one_is_named() -> None:
    """A revision that cannot be recorded whole is gone on with after the line that is known."""
    (finding,) = judged(PLAN, replace(HALF, next_line=None, next_sql=None))
    assert finding.message.endswith("; apply goes on after line 14")


def test_an_interrupted_statement_is_named() -> None:
    """What was under way outside a transaction is neither done nor undone."""
    (finding,) = judged(PLAN, replace(HALF, interrupted="CREATE INDEX CONCURRENTLY j ON orders (id)"))
    assert "line 14, and `CREATE INDEX CONCURRENTLY j ON orders (id)` was under way; apply goes on" in finding.message


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"obstacle": "edited"}, "its code was edited since, so that nobody knows which of its statements are done"),
        ({"obstacle": "file-gone"}, "its file is gone"),
        ({"obstacle": "temporary-tables"}, "it had made temporary tables, which ended with their session"),
        (
            {"obstacle": "cut-off"},
            "that statement cannot be in a transaction and may have done a part of its work",
        ),
        ({"obstacle": "taking-back"}, "`erm repair --take-back` has begun to undo it and did not come to its end"),
        ({"revision": "fff"}, "this plan does not come to it"),
        ({"revision": INDEX.revision}, "this plan runs a1b2c3 before it"),
        ({"direction": "downgrade"}, "this plan goes up"),
    ],
)
def test_what_cannot_be_gone_on_with_is_an_error(change: dict[str, Any], reason: str) -> None:
    """Each reason has its words, and the help names the command that shows the ways out."""
    (finding,) = judged(PLAN, replace(HALF, **change))
    assert finding.severity == "error"
    assert finding.message.endswith(f"2 statements are committed, the last one of line 14, and {reason}.")
    assert "`erm repair " in finding.help


def test_a_rollback_is_not_trapped() -> None:
    """A rollback over a half-done revision is refused with the override that lets it run, and that lets it run."""
    down = replace(PLAN, direction="downgrade", steps=(replace(ORDERS, revision="000111", direction="downgrade"),))
    findings = judged(down, HALF)
    assert findings[0].help.endswith("`--override half-done-revision --reason TEXT` lets rollback run all the same.")
    passed = override_findings(findings, (Override("half-done-revision", "three in the morning"),))
    assert [each.severity for each in passed] == ["warning"]


def test_two_half_done_revisions_on_two_branches_are_both_gone_on_with() -> None:
    """Where the plan begins with all the half-done ones, none of them blocks it."""
    other = replace(HALF, revision=INDEX.revision, path=INDEX.path)
    assert [each.severity for each in judged(PLAN, HALF, other)] == ["info", "info"]


def test_a_half_rolled_back_revision_has_its_own_words() -> None:
    """One that a rollback left half undone is gone on with by a rollback."""
    half = replace(HALF, direction="downgrade")
    down = replace(PLAN, direction="downgrade", steps=(replace(ORDERS, direction="downgrade"),))
    (finding,) = judged(down, half)
    assert finding.message.startswith("Revision a1b2c3 is half rolled back since run 7")
    assert "; rollback goes on at line 18" in finding.message


def test_a_plan_without_half_done_revisions_has_nothing_to_hear() -> None:
    """Neither has a check without a plan."""
    assert judged(PLAN) == ()
    assert run_checks(CheckContext(), {}, (CHECK,)) == ()
