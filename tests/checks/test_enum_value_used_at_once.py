"""enum-value-used-at-once: a new enum value is used after the transaction that adds it."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.enum_value_used_at_once import CHECK
from erm_alembic.planning.model import Statement
from erm_alembic.planning.rehearsal import Observed
from tests.checks.building import judged, outside, plan, step

ADD = "ALTER TYPE mood ADD VALUE 'it''s'"
USE = "UPDATE people SET mood = 'it''s'"


def test_a_value_that_is_used_in_its_own_transaction_is_told_at_the_use() -> None:
    """As a constant, or as a value that is sent: neither is shown but for the enum's own label."""
    (finding,) = judged(CHECK, ADD, USE)
    assert (finding.rule, finding.severity, finding.line) == ("enum-value-used-at-once", "warning", 11)
    assert finding.message == (
        "This uses 'it''s' of the enum mood, which line 10 adds in the same transaction: PostgreSQL refuses a new "
        "value until the transaction that adds it is committed (unsafe use of new value)."
    )
    sent = Statement("UPDATE people SET mood = %(m)s", parameter_sets=1, literal=USE)
    assert len(judged(CHECK, ADD, sent)) == 1


def test_a_value_of_another_transaction_or_of_a_new_enum_is_not_objected_to() -> None:
    """A revision of its own, a block outside, an enum that the transaction makes."""
    context = CheckContext(plan=plan(step(ADD), step(USE, revision="c3", down=("b2",))))
    assert run_checks(context, {}, (CHECK,)) == ()
    assert judged(CHECK, outside(ADD), USE) == []
    assert judged(CHECK, "CREATE TYPE mood AS ENUM ('a')", ADD, USE) == []
    assert judged(CHECK, ADD, "UPDATE people SET mood = 'its'") == []


def test_what_came_to_its_end_in_the_rehearsal_is_allowed() -> None:
    """Whatever its words look like."""
    assert judged(CHECK, ADD, replace(Statement(USE), observed=Observed())) == []
