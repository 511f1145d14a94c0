"""half-done-revision: a part of a revision is committed, the rest of it is not."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.config.env_option import env_option
from erm_alembic.findings import Finding
from erm_alembic.planning.model import HalfDoneRevision, Plan

__all__ = ["CHECK", "hindrances"]

RULE = "half-done-revision"
REPAIR = (
    "`erm repair {revision}{env}` shows what is committed and how to go on: resume it, take it back, or mark it done"
)
PASS = "`--override half-done-revision --reason TEXT` lets {mode} run all the same."


def _check(context: CheckContext) -> Iterator[Finding]:
    plan = context.plan
    if plan is None:
        return
    for each, obstacle in hindrances(plan):
        yield _resumed(each, plan) if obstacle is None else _stuck(each, plan, obstacle)


def hindrances(plan: Plan) -> list[tuple[HalfDoneRevision, str | None]]:
    """Why a plan does not go on with each half-done revision; None where it does.

    Args:
        plan: the plan, which has the half-done revisions.
    """
    half_done = {(each.revision, each.direction) for each in plan.half_done}
    at_first = []
    for step in plan.steps:
        if (step.revision, step.direction) not in half_done:
            break
        at_first.append(step.revision)
    return [(each, _why_not(each, plan, at_first)) for each in plan.half_done]


def _why_not(half: HalfDoneRevision, plan: Plan, at_first: list[str]) -> str | None:
    """Why this plan does not go on with it; None when it does."""
    if half.obstacle is not None:
        # Only here: `erm check downgrades` does without a database, and without what talks to one.
        from erm_alembic.planning.half_done import OBSTACLES

        return OBSTACLES[half.obstacle]
    if half.direction != plan.direction:
        return "this plan goes up" if plan.direction == "upgrade" else "this plan goes down"
    if half.revision in at_first:
        return None
    if all(step.revision != half.revision for step in plan.steps):
        return "this plan does not come to it"
    return f"this plan runs {plan.steps[0].revision} before it"


def _resumed(half: HalfDoneRevision, plan: Plan) -> Finding:
    mode = plan.mode
    if half.next_sql is not None:
        where = "" if half.next_line is None else f" at line {half.next_line}"
        going_on = f"{mode} goes on{where}: {half.next_sql}"
    else:
        going_on = f"{mode} goes on after {'it' if half.last_line is None else f'line {half.last_line}'}"
    return Finding(
        RULE,
        "info",
        f"{_fact(half)}; {going_on}",
        f"{_repair(half, plan)}.",
        revision=half.revision,
        path=half.path,
        line=half.next_line,
    )


def _stuck(half: HalfDoneRevision, plan: Plan, obstacle: str) -> Finding:
    help_ = f"{_repair(half, plan)}. {PASS.format(mode=plan.mode)}"
    if half.obstacle == "edited":
        help_ = f"Take the edit back and {plan.mode} goes on where it was; or {help_[0].lower()}{help_[1:]}"
    if half.obstacle == "file-gone":
        help_ = f"Check out the branch that has it. {help_}"
    return Finding(
        RULE,
        "error",
        f"{_fact(half)}, and {obstacle}.",
        help_,
        revision=half.revision,
        path=half.path,
        line=half.last_line,
    )


def _repair(half: HalfDoneRevision, plan: Plan) -> str:
    return REPAIR.format(revision=half.revision, env=env_option(plan.environment))


def _fact(half: HalfDoneRevision) -> str:
    """What stays, and since when."""
    way = "half done" if half.direction == "upgrade" else "half rolled back"
    stays = "1 statement is" if half.committed == 1 else f"{half.committed} statements are"
    last = "" if half.last_line is None else f", the last one of line {half.last_line}"
    cut = f", and `{half.interrupted}` was under way" if half.interrupted else ""
    return (
        f"Revision {half.revision} is {way} since run {half.run_id} ({half.since:%Y-%m-%d %H:%M:%S %Z}): "
        f"{stays} committed{last}{cut}"
    )


CHECK = Check(RULE, "error", _check)
