"""other-environment: a database that was deployed under another name is not deployed by mistake."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.other_environment import CHECK
from tests.render.plans import EMPTY, ROLLBACK


def test_another_environment_is_an_error_with_the_word_that_accepts_it() -> None:
    """The message names both, the help the option."""
    plan = replace(ROLLBACK, environment="stag", deployed_as=("staging",))
    (finding,) = run_checks(CheckContext(plan=plan), {}, (CHECK,))
    assert (finding.rule, finding.severity) == ("other-environment", "error")
    assert finding.message == "This database was deployed as staging; you asked for --env stag."
    assert "--accept-environment" in finding.help


def test_nothing_is_said_where_nothing_would_run_or_nothing_differs() -> None:
    """Without a step, or without another environment, there is no finding."""
    assert run_checks(CheckContext(plan=replace(EMPTY, deployed_as=("staging",))), {}, (CHECK,)) == ()
    assert run_checks(CheckContext(plan=ROLLBACK), {}, (CHECK,)) == ()
