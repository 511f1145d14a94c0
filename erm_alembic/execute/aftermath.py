"""What a run that failed leaves behind, and what to do about it: the effect and the cure of its outcome."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg2

from erm_alembic.errors import ErmError
from erm_alembic.execute.cures import Circumstances, cure_of
from erm_alembic.execute.run import Course

__all__ = ["Aftermath", "aftermath_of"]

SILENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Aftermath:
    """What stays of the revision that failed, and the cure, as far as each is known."""

    effect: str | None = None
    cure: str | None = None


def aftermath_of(course: Course, error: BaseException | None) -> Aftermath:
    """What the revision under way leaves behind.

    Args:
        course: the run, at the step that failed.
        error: what that failed with; None when it was interrupted.
    """
    step = course.under_way
    if step is None:
        return Aftermath()
    around = Circumstances(
        settings=course.run.target.settings.execution,
        mode=course.run.mode,
        statement_timeout=course.limits.statement_timeout,
        refusal=step.refusal,
    )
    return Aftermath(_effect(course, step.revision), None if error is None else cure_of(error, around))


def _effect(course: Course, revision: str) -> str | None:
    try:
        with course.ledger.answered_within(SILENCE_SECONDS):
            found = next((each for each in course.ledger.half_done() if each.revision == revision), None)
    except (ErmError, psycopg2.Error):
        return None
    if found is None:
        return f"Revision {revision} was undone: nothing of it stays."
    stay = sum(each.state == "done" for each in found.statements)
    counted = "1 statement" if stay == 1 else f"{stay} statements"
    verb = "is" if stay == 1 else "are"
    return (
        f"{counted} of revision {revision} {verb} committed and {'stays' if stay == 1 else 'stay'}; "
        "the next run goes on behind that."
    )
