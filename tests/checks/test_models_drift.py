"""models-drift: the models have changes that no revision carries."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.models_drift import CHECK
from erm_alembic.planning.model import Drift
from tests.render.plans import EMPTY


def test_model_changes_without_a_revision_are_one_warning() -> None:
    """The first of them are named, with the command that shows them and the one that writes the revision."""
    drift = tuple(Drift("column", f"orders.c{number}", "models", "a column", "absent") for number in range(4))
    (finding,) = run_checks(CheckContext(plan=replace(EMPTY, drift=drift)), {}, (CHECK,))
    assert (finding.rule, finding.severity) == ("models-drift", "warning")
    assert "column orders.c0, column orders.c1, column orders.c2 and 1 more." in finding.message
    assert "`erm drift --source models`" in finding.help and "`erm gen -m MESSAGE`" in finding.help


def test_drift_of_the_database_is_no_drift_of_the_models() -> None:
    """Each source has its own check."""
    drift = (Drift("column", "public.orders.c", "database", "a", "b"),)
    assert run_checks(CheckContext(plan=replace(EMPTY, drift=drift)), {}, (CHECK,)) == ()
