"""lost-version: the database records no revision, although it has what the ledger saw applied."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.lost_version import CHECK
from erm_alembic.planning.model import Drift
from tests.render.plans import EMPTY


def test_a_lost_record_is_an_error_with_the_way_to_put_it_back() -> None:
    """The message names what was applied and what apply would do, the help the command that puts the record back."""
    drift = Drift("lost-version", "4f2a, 77b0", "history", "4f2a, 77b0 recorded", "no revision recorded")
    (finding,) = run_checks(CheckContext(plan=replace(EMPTY, drift=(drift,))), {}, (CHECK,))
    assert (finding.rule, finding.severity) == ("lost-version", "error")
    assert finding.message == (
        "The database records no revision, but 4f2a, 77b0 was applied to it and not taken back, and its tables are "
        "there: Alembic's version table was emptied or dropped, or env.py looks for it elsewhere. Apply would begin "
        "again from the first revision."
    )
    assert "`alembic stamp 4f2a 77b0`" in finding.help


def test_a_database_that_was_never_deployed_to_has_lost_nothing() -> None:
    """Without drift of that kind there is no finding."""
    assert run_checks(CheckContext(plan=EMPTY), {}, (CHECK,)) == ()
