"""The plan of a release: made by the stage `plan`, and made again by the stages that run it or go back."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from erm_alembic.approvals import approval_of, checkpoints_of, open_approved, refuse_unsigned
from erm_alembic.approvals import request_again as approved_request
from erm_alembic.errors import Refused
from erm_alembic.pipeline import plan_request
from erm_alembic.planning.build import Survey
from erm_alembic.planning.model import Plan
from erm_alembic.planning.request import Request
from erm_alembic.planning.terms import plan_digest
from erm_alembic.postgres.existing_objects import existing_objects
from erm_alembic.release.course import Course
from erm_alembic.revisions.facts import revision_hash
from erm_alembic.shadow.rehearsal.when import Wish

if TYPE_CHECKING:
    from erm_alembic.execute.approved.course import Approval

__all__ = ["changed_files", "plan_details", "planned", "refuse_other_plan"]

OTHER_PLAN = "Nothing more was run: what was looked at is not what would be applied now."


def planned(course: Course, wish: Wish | None) -> tuple[Survey, Approval | None]:
    """Plan what the release is to apply; of an approved plan, make sure that it is still what would be run.

    Args:
        course: the release.
        wish: what a rehearsal is wanted for; None for none.

    Raises:
        ErmError: a subclass of it, when it cannot be planned, or the approved plan does not fit.
    """
    opened, request = course.opened, course.request
    accept = request.accept_environment
    if request.approved is None:
        wanted = Request("upgrade", course.details("plan").get("to", request.to))
        survey = plan_request(
            opened,
            wanted,
            request.overrides,
            request.wait,
            accept_environment=accept,
            wish=wish,
            for_approval=True,
        )
        return survey, None
    approved = open_approved(request.approved, "upgrade")
    refuse_unsigned(opened.settings, approved)
    checkpoints = checkpoints_of(opened.target, approved)
    survey = plan_request(
        opened,
        approved_request(approved, checkpoints),
        approved.overrides,
        request.wait,
        accept_environment=accept,
        wish=wish,
        for_approval=True,
    )
    return survey, approval_of(opened.settings, approved, survey.plan, checkpoints)


def plan_details(course: Course, plan: Plan, approval: Approval | None) -> dict[str, Any]:
    """What the ledger keeps of the plan: what it is known by, and what a way back needs to know of it.

    Args:
        course: the release.
        plan: the plan.
        approval: the approved plan that it keeps to.
    """
    to = course.request.to if approval is None else approval.plan.terms.to or "heads"
    counted_from_here = "+" in to and bool(plan.steps)
    lost = {name for step in plan.steps if step.proof is not None for name in step.proof.lost}
    there = _there_before(course, lost)
    return {
        "digest": plan_digest(plan),
        "approved": None if approval is None else approval.plan.digest,
        "to": plan.steps[-1].revision if counted_from_here else to,
        "current": list(plan.current),
        "steps": [
            {
                "revision": step.revision,
                "message": step.message,
                "path": step.path,
                "source_hash": step.source_hash,
                "downgrade": step.downgrade,
                "round_trip": None if step.proof is None else step.proof.round_trip,
                "data": None if step.proof is None else step.proof.data,
                "lost": [] if step.proof is None else list(step.proof.lost),
                # What the release itself makes can have lost nothing that was there before.
                "lost_of_before": [] if step.proof is None else [each for each in step.proof.lost if each in there],
            }
            for step in plan.steps
        ],
        "findings": [
            {"rule": each.rule, "severity": each.severity, "revision": each.revision, "message": each.message}
            for each in plan.findings
            if each.severity != "info"
        ],
        "overrides": [each.rule for each in plan.overrides],
        "tables": [each.table for each in plan.tables],
        "backup": None
        if plan.backup is None
        else {
            "demanded": plan.backup.demanded,
            "only_at_risk": plan.backup.tables is not None,
            "fresh": plan.backup.fresh,
        },
        "rehearsal": None if plan.rehearsal is None else plan.rehearsal.status,
    }


def _there_before(course: Course, names: Collection[str]) -> frozenset[str]:
    if not names:
        return frozenset()
    with course.opened.target.reading("erm release") as cursor:
        return existing_objects(cursor, names)


def refuse_other_plan(course: Course, plan: Plan) -> None:
    """Refuse to run another plan than the stage `plan` has looked at; of that, what was run already may be missing.

    Args:
        course: the release.
        plan: what would be run now.

    Raises:
        Refused: it is another one.
    """
    looked_at = course.details("plan")
    if not looked_at or plan_digest(plan) == looked_at["digest"]:
        return
    known = [(step["revision"], step["source_hash"]) for step in looked_at["steps"]]
    now = [(step.revision, step.source_hash) for step in plan.steps]
    has_run = course.record is not None and sum(each.stage == "apply" for each in course.record.stages) > 1
    if has_run and now == known[len(known) - len(now) :]:
        return
    changed = "; ".join(_differences(known, now)) or "the database's schema, or where it stands, has changed"
    raise Refused(
        f"The plan is not the one that release {course.id} was begun with: {changed}.",
        effect=OTHER_PLAN,
        cure=f"Find out why (`{course.command('drift')}`). Then end this release, and begin another one:\n"
        f"  {course.command('release', 'abandon')} --reason TEXT\n  {course.command('release')}",
    )


def _differences(known: list[tuple[str, str]], now: list[tuple[str, str]]) -> list[str]:
    before, after = dict(known), dict(now)
    edited = [revision for revision, digest in now if before.get(revision, digest) != digest]
    told = {
        "edited": edited,
        "added": [revision for revision in after if revision not in before],
        "no longer pending": [revision for revision in before if revision not in after],
    }
    return [f"{word}: {', '.join(revisions)}" for word, revisions in told.items() if revisions]


def changed_files(course: Course) -> list[str]:
    """The revision files of the release's plan that are not what they were when it was made.

    Args:
        course: the release.
    """
    found = []
    for step in course.details("plan").get("steps", ()):
        path = course.settings.project_dir / step["path"]
        try:
            same = revision_hash(path.read_bytes(), path) == step["source_hash"]
        except OSError:
            same = False
        if not same:
            found.append(str(step["path"]))
    return found
