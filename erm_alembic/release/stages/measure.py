"""measure: how the database is before anything is changed, for the stage `observe` to compare with."""

from __future__ import annotations

import json

from erm_alembic.observing import before, sample_json
from erm_alembic.release.course import Course
from erm_alembic.release.stage import Ended, Stage, nothing_to_do

__all__ = ["STAGE"]

NOTHING = "nothing is observed afterwards (release.observe.for)"


def _would(course: Course) -> str:
    return "look at how the database is before anything is changed" if course.observe_for else f"nothing: {NOTHING}"


def _run(course: Course) -> Ended:
    if not course.observe_for:
        return nothing_to_do(NOTHING)
    sample = before(course.opened.target, course.details("plan").get("tables", ()))
    unseen = ", ".join(sample.unseen)
    told = f"; not seen: {unseen}" if unseen else ""
    return Ended("done", f"looked at{told}", details={"sample": json.loads(sample_json(sample))})


STAGE = Stage("measure", _would, _run)
