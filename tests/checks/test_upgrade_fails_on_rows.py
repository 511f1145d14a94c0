"""upgrade-fails-on-rows: rows in its tables end a way up, for certain or perhaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.upgrade_fails_on_rows import CHECK
from erm_alembic.findings import Finding
from erm_alembic.planning.rehearsal import FailureOnRows, Proof
from tests.checks.building import SMALL, around, plan, step, table

NULLS = FailureOnRows('column "due" of relation "tickets" contains null values', "23502", "public.tickets", "due")
TWICE = FailureOnRows('could not create unique index "k"', "23505", "public.tickets")
ADDS = "ALTER TABLE tickets ADD COLUMN due DATE NOT NULL"


def findings(*texts: str, failure: FailureOnRows | None = NULLS, rows: int | None = 40, **facts: Any) -> list[Finding]:
    """What the check says of a revision that fails so in the shadow, and of `tickets` with so many rows."""
    proof = Proof("same", "lossless", fails_on_rows=failure)
    tickets = table("tickets", **{**SMALL, "rows": rows, **facts})
    planned = plan(replace(step(*texts), proof=proof))
    return list(run_checks(CheckContext(plan=planned, around=around(tickets)), {}, (CHECK,)))


def test_a_column_that_no_row_has_a_value_of_blocks_where_the_table_has_rows() -> None:
    """What fails on any row fails on the target's: with the table, how many rows, the line and the cure."""
    (finding,) = findings("SELECT 1", ADDS, rows=100_000)
    assert (finding.severity, finding.revision, finding.line) == ("error", "b2", 11)
    assert finding.message == (
        "Adding due to public.tickets fails: it may not be null, nothing gives it a value, and the table has rows, "
        'about 100,000. In the shadow: column "due" of relation "tickets" contains null values.'
    )
    assert finding.help == (
        "Give due a server_default; or add it as nullable, fill it, and let a later revision set NOT NULL."
    )


@pytest.mark.parametrize("rows", [0, None])
def test_it_warns_where_the_table_is_not_known_to_have_rows(rows: int | None) -> None:
    """An empty table of this target may have rows in another one."""
    (finding,) = findings(ADDS, rows=rows)
    assert finding.severity == "warning"
    assert finding.message.endswith(
        "None stand in public.tickets now."
        if rows == 0
        else "Whether those of public.tickets make it fail was not tried."
    )


@pytest.mark.parametrize(
    "texts",
    [
        ("TRUNCATE tickets", ADDS),
        ("DELETE FROM public.tickets", ADDS),
        (
            "ALTER TABLE tickets ADD due date",
            "UPDATE tickets SET due = made",
            "ALTER TABLE tickets ALTER due SET NOT NULL",
        ),
    ],
)
def test_it_warns_where_the_revision_does_something_about_the_rows(texts: tuple[str, ...]) -> None:
    """Rows that go, or that are given values, may pass."""
    assert [finding.severity for finding in findings(*texts)] == ["warning"]


def test_it_warns_where_it_depends_on_the_rows() -> None:
    """Made-up rows may break what the target's do not: the statement's line, and what was not tried."""
    (finding,) = findings("SELECT 1", "ALTER TABLE tickets ADD CONSTRAINT k UNIQUE (kind)", failure=TWICE)
    assert (finding.severity, finding.line) == ("warning", 11)
    assert finding.message == (
        "The upgrade of b2 fails in the shadow on rows that were made up for its tables, and not without them: could "
        'not create unique index "k". Whether those of public.tickets make it fail was not tried.'
    )


def test_tables_that_the_plan_makes_are_only_told() -> None:
    """They have no rows that somebody else has written; another target may."""
    texts = ("CREATE TABLE notes (id int)", "ALTER TABLE notes ADD due date NOT NULL")
    (finding,) = findings(*texts, failure=replace(NULLS, table="public.notes"))
    assert (finding.severity, finding.line) == ("info", 11)
    assert finding.message.endswith("Here the plan itself makes them; where they have rows already, it may fail.")


def test_a_way_up_that_copes_with_rows_is_no_finding() -> None:
    """Nothing failed, nothing is said."""
    assert findings(ADDS, failure=None) == []
