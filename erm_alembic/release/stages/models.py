"""models: what the models have, and what the revisions make, is the same: nothing was forgotten to be generated."""

from __future__ import annotations

from erm_alembic.comparing import compare
from erm_alembic.drift.models import NO_MODELS
from erm_alembic.planning.model import DriftSource
from erm_alembic.release.course import Course
from erm_alembic.release.stage import Ended, Stage, nothing_to_do
from erm_alembic.shadow.rehearsal.when import OFF, shadow_is_off
from erm_alembic.wording import first_few

__all__ = ["STAGE"]

ONLY_MODELS: tuple[DriftSource, ...] = ("models",)
RULE = "models-drift"
SHOWN = 5


def _why_not(course: Course) -> str | None:
    if shadow_is_off():
        return f"not compared, because {OFF} is set"
    if course.settings.safety.rules.get(RULE) == "off":
        return f"not compared, because safety.rules.{RULE} is off"
    return None


def _would(course: Course) -> str:
    return _why_not(course) or "compare the models with what the revisions make"


def _run(course: Course) -> Ended:
    if (why_not := _why_not(course)) is not None:
        return nothing_to_do(why_not)
    report = compare(course.opened, ONLY_MODELS)
    (comparison,) = report.comparisons
    if comparison.verdict == "same":
        return Ended("done", "the models are what the revisions make")
    if comparison.verdict == "unknown":
        reason = (comparison.reason or "").rstrip(".")
        if reason == NO_MODELS:
            return nothing_to_do("the project names no models")
        return Ended("failed", f"not compared: {reason}", _skipping(course))
    found = [f"{each.kind} {each.object}" for each in report.drift]
    return Ended(
        "failed",
        f"the models are not what the revisions make: {first_few(found, SHOWN)}",
        f"`{course.command('drift', '--source', 'models')}` shows each difference; `erm gen -m MESSAGE` writes the "
        f"revision that carries them. {_skipping(course)}",
        {"drift": found},
    )


def _skipping(course: Course) -> str:
    return f"To release all the same: {course.command('release')} --skip models --reason TEXT"


STAGE = Stage("models", _would, _run)
