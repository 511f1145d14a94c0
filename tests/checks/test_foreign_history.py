"""foreign-history: another migration tool has run these revisions here, and that was not taken over."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.foreign_history import CHECK
from erm_alembic.planning.model import Drift
from tests.render.plans import EMPTY


def test_a_history_that_was_not_taken_over_is_an_error_with_the_command_that_does_it() -> None:
    """The message names the table and what apply would do, the help what to type."""
    drift = Drift("foreign-history", "public.schema_migrations", "history", "recorded", "not recorded")
    (finding,) = run_checks(CheckContext(plan=replace(EMPTY, drift=(drift,))), {}, (CHECK,))
    assert (finding.rule, finding.severity) == ("foreign-history", "error")
    assert finding.message == (
        "Another tool has migrated this database: public.schema_migrations has versions that are revisions here, and "
        "Alembic records none. Apply would run them a second time."
    )
    assert f"`erm import-sql DIR --env {EMPTY.environment}`" in finding.help


def test_a_database_that_no_other_tool_has_migrated_is_fine() -> None:
    """Without drift of that kind there is no finding."""
    assert run_checks(CheckContext(plan=EMPTY), {}, (CHECK,)) == ()
