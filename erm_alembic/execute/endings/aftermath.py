"""What a run that failed leaves behind, and what to do about it: the effect and the cure of its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg2

from erm_alembic.config.env_option import env_option
from erm_alembic.errors import ErmError
from erm_alembic.execute.endings.cures import Circumstances, cure_of
from erm_alembic.execute.endings.ending import SILENCE_SECONDS
from erm_alembic.execute.run import Course
from erm_alembic.execute.step import StepUnderWay
from erm_alembic.ledger.leftovers import InvalidIndex, leftovers
from erm_alembic.ledger.progress import HalfDone
from erm_alembic.ledger.store import Ledger, open_ledger
from erm_alembic.planning.half_done import OBSTACLES, obstacle_of

__all__ = ["Aftermath", "aftermath_of"]


# The SQLSTATE of a write that a server refuses which takes none now.
READ_ONLY = "25006"


@dataclass(frozen=True)
class Aftermath:
    """What stays of the revision that failed, and the cure, as far as each is known."""

    effect: str | None = None
    cure: str | None = None


def aftermath_of(course: Course, error: BaseException | None, *, asked: bool = True) -> Aftermath:
    """What the revision under way leaves behind.

    Args:
        course: the run, at the step that failed.
        error: what that failed with; None when it was interrupted.
        asked: whether the database could be asked at the end.
    """
    step = course.under_way
    if step is None:
        return Aftermath()
    if not asked and not _is_refusal(error):
        env = env_option(course.run.survey.plan.environment)
        return Aftermath(
            f"What became of revision {step.revision} is not known: the database could not be asked.",
            f"When the server can be reached again, `erm status{env}` tells where it stands; then run "
            f"`{course.run.command}` again.",
        )
    around = Circumstances(
        settings=course.run.target.settings.execution,
        command=course.run.command,
        statement_timeout=course.limits.statement_timeout,
        refusal=step.refusal,
    )
    cure = f"To go on, {around.again}." if error is None else cure_of(error, around)
    return Aftermath(_effect(course, step), cure)


def _is_refusal(error: BaseException | None) -> bool:
    """Whether the server answered, and refused the write alone: its ledger can be read where it cannot be written."""
    return getattr(getattr(error, "orig", error), "pgcode", None) == READ_ONLY


def _effect(course: Course, step: StepUnderWay) -> str | None:
    revision = step.revision
    try:
        half_done, invalid = _left_behind(course.ledger)
    except (ErmError, psycopg2.Error):
        try:
            with open_ledger(course.run.target) as fresh:
                fresh.scope = course.ledger.scope
                half_done, invalid = _left_behind(fresh)
        except (ErmError, psycopg2.Error):
            return None
    found = next((each for each in half_done if each.revision == revision), None)
    if found is None:
        if step.sent_what_may_last:
            return (
                f"The transaction of revision {revision} was undone; what its functions did outside of that may stay, "
                "and is done again by the next run."
            )
        return f"Revision {revision} was undone: nothing of it stays."
    left = [str(each) for each in invalid if each.revision == revision]
    return " ".join(
        [
            _stays(found, course.under_way, env_option(course.run.survey.plan.environment)),
            *(f"{each[0].upper()}{each[1:]}." for each in left),
        ]
    )


def _left_behind(ledger: Ledger) -> tuple[Sequence[HalfDone], Sequence[InvalidIndex]]:
    """What is half done, and the invalid indexes of it."""
    with ledger.answered_within(SILENCE_SECONDS), ledger.connection.cursor() as cursor:
        half_done = ledger.half_done()
        return half_done, leftovers(cursor, half_done)


def _stays(half: HalfDone, step: StepUnderWay | None, env: str) -> str:
    obstacle = obstacle_of(half, None if step is None else step.pending.facts)
    if obstacle == "taking-back":
        return (
            f"Revision {half.revision} is taken back in part: "
            f"`erm repair {half.revision} --take-back{env}` goes on there."
        )
    stay = sum(each.state == "done" for each in half.statements)
    ending = "the next run goes on behind that."
    if obstacle is not None:
        way_out = f"`erm repair {half.revision}{env}` shows the ways out."
        ending = f"no run can go on behind that: {OBSTACLES[obstacle]}. {way_out}"
    if not stay:
        cut_off = f"`{half.statements[-1].sql}` of revision {half.revision} was cut off outside a transaction"
        return f"{cut_off}." if obstacle is None else f"{cut_off}; {ending}"
    counted = "1 statement" if stay == 1 else f"{stay} statements"
    verb = "is" if stay == 1 else "are"
    return f"{counted} of revision {half.revision} {verb} committed and {'stays' if stay == 1 else 'stay'}; {ending}"
