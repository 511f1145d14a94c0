"""promote: the team's own commands make the release known; each gets the outcome so far as JSON."""

from __future__ import annotations

from typing import Any

from erm_alembic.config.redaction import redact
from erm_alembic.release.commands import objection, run_own
from erm_alembic.release.course import Course
from erm_alembic.release.stage import Ended, Stage, nothing_to_do
from erm_alembic.render.words import counted

__all__ = ["STAGE"]


def _would(course: Course) -> str:
    commands = course.settings.release.promote
    told = ", ".join(f"`{redact(each)}`" for each in commands)
    return f"run {told}" if commands else "nothing: release.promote is empty"


def _run(course: Course) -> Ended:
    commands = course.settings.release.promote
    if not commands:
        return nothing_to_do("release.promote is empty")
    # Those that were done before the release was stopped are not done twice.
    before = [each for each in course.earlier().get("commands", ()) if each["outcome"] == "done"]
    done: list[dict[str, Any]] = before[: len(commands)]
    for command in commands[len(done) :]:
        done.append(run_own(course, "promote", command, course.settings.release.timeout))
        details = {"commands": done}
        course.keep(details)
        if done[-1]["outcome"] == "interrupted":
            return Ended("interrupted", objection(done[-1]), details=details)
        if done[-1]["outcome"] != "done":
            return Ended("failed", objection(done[-1]), "Correct what it says.", details)
    return Ended("done", f"{counted(len(done), 'command')} done", details={"commands": done})


STAGE = Stage("promote", _would, _run)
