"""How a plan stands, or ended, in one line: for headings and logs."""

from __future__ import annotations

from erm_alembic.findings import blocking
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.render.outcome import done_meanwhile
from erm_alembic.render.words import counted, duration

__all__ = ["how_it_stands", "verb_of", "what_it_is"]


def what_it_is(plan: Plan, outcome: Outcome | None) -> str:
    """What is shown; the environment's name goes behind it.

    Args:
        plan: the plan.
        outcome: how it ended, or None.

    Example:
        >>> what_it_is(Plan("prod", "", "15.18", "upgrade", (), (), ()), None)
        'Plan for'
    """
    down = plan.direction == "downgrade"
    if outcome is not None:
        return "Rollback of" if down else "Apply to"
    return "Rollback plan for" if down else "Plan for"


def how_it_stands(plan: Plan, outcome: Outcome | None) -> str:
    """Whether something objects, or how it ended.

    Args:
        plan: the plan.
        outcome: how it ended, or None.

    Example:
        >>> how_it_stands(Plan("prod", "", "15.18", "upgrade", (), (), ()), None)
        'nothing to apply'
    """
    return _stands(plan) if outcome is None else _ended(plan, outcome)


def verb_of(plan: Plan) -> str:
    """What is to be done with its revisions.

    Args:
        plan: the plan.
    """
    return "roll back" if plan.direction == "downgrade" else "apply"


def _stands(plan: Plan) -> str:
    errors = len(blocking(plan.findings))
    if errors:
        return f"blocked by {counted(errors, 'error')}"
    if plan.cannot_run is not None:
        return "blocked, it cannot be run"
    if plan.up_to_date:
        return f"nothing to {verb_of(plan)}"
    warnings = sum(each.severity == "warning" for each in plan.findings)
    told = f", {counted(warnings, 'warning')}" if warnings else ""
    return f"{counted(len(plan.steps), 'revision')} to {verb_of(plan)}, nothing objects{told}"


def _ended(plan: Plan, outcome: Outcome) -> str:
    if done_meanwhile(plan, outcome):
        return "done by another deployment meanwhile"
    done = counted(sum(step.outcome == "done" for step in outcome.steps), "revision")
    verb = "rolled back" if plan.direction == "downgrade" else "applied"
    words = {
        "done": f"done, {done} {verb} in {duration(outcome.duration_ms)}",
        "nothing-to-do": "nothing to do",
        "refused": "refused, nothing was changed",
        "failed": f"failed, {done} {verb} before it",
        "interrupted": f"interrupted, {done} {verb} before it",
    }
    return words[outcome.result]
