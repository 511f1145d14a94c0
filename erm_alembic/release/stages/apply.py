"""apply: the plan is run, and nothing but that plan; where a part of it was run before, the rest."""

from __future__ import annotations

import shlex
from typing import Any

from erm_alembic.config.env_option import env_option
from erm_alembic.pipeline import run_plan
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.release.course import Course
from erm_alembic.release.planning import planned, refuse_other_plan
from erm_alembic.release.stage import Ended, Stage
from erm_alembic.render.words import counted

__all__ = ["STAGE"]


def _would(course: Course) -> str:
    return "run the plan, and nothing but that plan"


def _run(course: Course) -> Ended:
    survey, approval = planned(course, None)
    course.plan = course.plan or survey.plan
    refuse_other_plan(course, survey.plan)
    course.keep(_details(course, survey.plan, None))
    result = run_plan(
        course.opened,
        survey,
        wait=course.request.wait,
        accept_environment=course.request.accept_environment,
        progress=course.progress,
        overrides=survey.plan.overrides,
        approval=approval,
    )
    return _ended(course, survey.plan, result.outcome)


def _ended(course: Course, plan: Plan, outcome: Outcome) -> Ended:
    details = _details(course, plan, outcome)
    applied = counted(len(details["applied"]), "revision")
    match outcome.result:
        case "done":
            return Ended("done", f"{applied} applied", details=details)
        case "nothing-to-do":
            # What a run that was killed had applied is this release's all the same.
            if details["applied"]:
                return Ended("done", f"{applied} applied before", details=details)
            return Ended("nothing-to-do", "nothing was pending", details=details)
        case "refused":
            looked_at = course.command("migrate", "--mode", "plan")
            return Ended(
                "failed", "a check objects to what is left to run", f"`{looked_at}` shows which, and its help."
            )
        case "interrupted":
            return Ended("interrupted", outcome.error or "interrupted", outcome.cure or "", details)
    told = [outcome.error or "a revision failed", outcome.effect or ""]
    return Ended("failed", "\n".join(filter(None, told)), _as_release(course, outcome.cure or "", details), details)


def _as_release(course: Course, cure: str, details: dict[str, Any]) -> str:
    """A cure that names the command of the run, with that of the release in its place."""
    approved = "" if course.request.approved is None else f" --plan {shlex.quote(course.request.approved.name)}"
    run = f"erm migrate{env_option(course.settings.environment)}{approved}"
    return cure.replace(f"`{run}`", f"`{course.command('release', *(('resume',) if details['applied'] else ()))}`")


def _details(course: Course, plan: Plan, outcome: Outcome | None) -> dict[str, Any]:
    """What of the release's plan is applied, by this run and by those before it."""
    wanted = [step["revision"] for step in course.details("plan").get("steps", ())]
    pending = {step.revision for step in plan.steps}
    done = set() if outcome is None else {each.revision for each in outcome.steps if each.outcome == "done"}
    before = course.earlier().get("runs", [])
    run_id = None if outcome is None else outcome.run_id
    failed = [] if outcome is None else [each.revision for each in outcome.steps if each.outcome == "failed"]
    return {
        "runs": [*before, *([run_id] if run_id is not None else [])],
        "applied": [each for each in wanted if each not in pending or each in done],
        "failed": failed,
        "current": list(plan.current if outcome is None else outcome.current),
    }


STAGE = Stage("apply", _would, _run)
