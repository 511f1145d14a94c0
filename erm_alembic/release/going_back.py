"""The way back of a release that failed after its apply: only where the plan has proven that it loses nothing."""

from __future__ import annotations

from erm_alembic.findings import blocking
from erm_alembic.ledger.still_applied import still_applied
from erm_alembic.ledger.store import open_ledger
from erm_alembic.pipeline import plan_request, run_plan
from erm_alembic.planning.request import Request
from erm_alembic.release.course import Course
from erm_alembic.release.stage import Ended
from erm_alembic.render.words import counted
from erm_alembic.shadow.rehearsal.when import Wish
from erm_alembic.wording import first_few

__all__ = ["ROLLBACK", "go_back", "why_not_back"]

SHOWN = 3
# What stands in the ledger beside the stages.
ROLLBACK = "rollback"


def why_not_back(course: Course) -> str | None:
    """Why the release does not go back by itself; None when its plan has proven that all that was there comes back.

    What the release has made itself (a table, a column) goes with it: whether anything was written there meanwhile, the
    plan of the way back asks the database.

    Args:
        course: the release.
    """
    applied = list(course.details("apply").get("applied", ()))
    if not applied:
        return "nothing was applied"
    if course.record is not None and course.record.has_begun("promote"):
        return "the stage promote has begun, and nobody takes back what it told others"
    steps = {step["revision"]: step for step in course.details("plan").get("steps", ())}
    for revision in applied:
        step = steps.get(revision, {})
        if step.get("downgrade") != "ok":
            return f"revision {revision} has no way back: its downgrade is {step.get('downgrade', 'not known')}"
        if step.get("round_trip") is None:
            return f"the plan was not rehearsed, so that nothing is proven of the downgrade of revision {revision}"
        if step["round_trip"] != "same" or step["data"] not in ("lossless", "lossy"):
            return f"the downgrade of revision {revision} is not proven to bring everything back"
        if step["lost_of_before"]:
            lost = first_few(step["lost_of_before"], SHOWN, ", ")
            return f"the downgrade of revision {revision} does not bring back the values of {lost}"
    return None


def go_back(course: Course) -> Ended:
    """Take back what the release has applied, and nothing else.

    Args:
        course: the release; its stage `apply` has run.

    Raises:
        ErmError: a subclass of it, when the way back cannot be planned or run.
    """
    if (why_not := why_not_back(course)) is not None:
        applied = list(course.details("apply").get("applied", ()))
        return Ended("nothing-to-do", f"not gone back: {why_not}", _by_hand(course, len(applied)) if applied else "")
    applied = _still_applied(course)
    if not applied:
        return Ended("done", "everything was taken back before")
    request = course.request
    # Rehearsed where something would be lost, so that all of that is counted.
    wish = Wish("run", True) if _loses(course) else None
    survey = plan_request(
        course.opened,
        Request("downgrade", None, len(applied)),
        wait=request.wait,
        accept_environment=request.accept_environment,
        wish=wish,
    )
    plan = survey.plan
    if {step.revision for step in plan.steps} != set(applied):
        others = ", ".join(step.revision for step in plan.steps)
        return Ended("failed", f"not gone back: the last revisions are others now ({others})", _by_hand(course, 1))
    if wish is not None and (plan.rehearsal is None or plan.rehearsal.status != "done"):
        why = "" if plan.rehearsal is None else f": {plan.rehearsal.reason}"
        return Ended(
            "failed", f"not gone back: the way back could not be rehearsed{why}", _by_hand(course, len(applied))
        )
    objections = blocking(plan.findings)
    if objections or plan.cannot_run is not None:
        told = "; ".join(each.message for each in objections) or plan.cannot_run
        return Ended("failed", f"not gone back: {told}", _by_hand(course, len(applied)))
    outcome = run_plan(
        course.opened,
        survey,
        wait=request.wait,
        accept_environment=request.accept_environment,
        progress=course.progress,
        overrides=(),
    ).outcome
    details = {"run": outcome.run_id, "taken_back": applied, "current": list(outcome.current)}
    if outcome.result in ("done", "nothing-to-do"):
        return Ended("done", f"{counted(len(applied), 'revision')} taken back", details=details)
    return Ended("failed", f"not gone back: {outcome.error or outcome.result}", outcome.cure or "", details)


def _loses(course: Course) -> bool:
    """Whether the way back takes away anything at all."""
    return any(step["lost"] for step in course.details("plan")["steps"])


def _still_applied(course: Course) -> list[str]:
    """What the release has applied, without what a way back that was cut off has taken back."""
    with course.opened.target.reported(), open_ledger(course.opened.target) as ledger:
        still = set(still_applied(ledger.runs()))
    return [each for each in course.details("apply")["applied"] if each in still]


def _by_hand(course: Course, steps: int) -> str:
    """The commands that show, and go, the way back."""
    looked_at = course.command("migrate", "--mode", "rollback", "--steps", str(steps))
    return f"`{looked_at} --check` shows what a rollback would lose; without --check it is run."
