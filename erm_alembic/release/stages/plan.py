"""plan: what is to be applied is computed, rehearsed and judged; where the profile demands it, it was approved."""

from __future__ import annotations

from erm_alembic.findings import blocking
from erm_alembic.release.course import Course
from erm_alembic.release.planning import plan_details, planned, refuse_other_plan
from erm_alembic.release.stage import Ended, Stage
from erm_alembic.render.words import counted
from erm_alembic.shadow.rehearsal.when import Wish

__all__ = ["STAGE"]


def _would(course: Course) -> str:
    if course.request.approved is not None:
        return f"make sure that the approved plan {course.request.approved.name} still fits"
    return f"plan the way to {course.request.to}, rehearse it, and let every check have its say"


def _run(course: Course) -> Ended:
    request = course.request
    if request.approved is None and course.settings.safety.require_plan:
        keep = f"{course.command('migrate', '--mode', 'plan')} --out plan.json"
        run = f"{course.command('release')} --plan plan.json"
        return Ended(
            "failed",
            f"{course.settings.environment} runs approved plans only (safety.require_plan)",
            f"Keep a plan, have it approved, then release it:\n  {keep}\n  {run}",
        )
    # What the rehearsal of an approved plan showed was approved with it; but a way back must have been proven here.
    asked = True if request.approved is not None and course.on_failure == "rollback" else request.rehearse
    wish = Wish("plan", asked) if request.approved is None or asked else None
    survey, approval = planned(course, wish)
    plan = course.plan = survey.plan
    refuse_other_plan(course, plan)
    details = plan_details(course, plan, approval)
    objections = blocking(plan.findings)
    if objections:
        told = "\n".join(f"  {each.rule}: {each.message}" for each in objections)
        looked_at = course.command("migrate", "--mode", "plan")
        return Ended(
            "failed",
            f"the checks forbid it:\n{told}",
            f"`{looked_at}` shows each with its help. Where a rule may pass once: --override RULE --reason TEXT",
            details,
        )
    if plan.cannot_run is not None:
        return Ended("failed", plan.cannot_run.rstrip("."), "Do that, then release again.", details)
    approved = "" if approval is None else ", as it was approved"
    if plan.up_to_date:
        return Ended("done", f"nothing is pending{approved}", details=details)
    return Ended("done", f"{counted(len(plan.steps), 'revision')} to apply, nothing objects{approved}", details=details)


STAGE = Stage("plan", _would, _run)
