"""A stage of the team's own: one command."""

from __future__ import annotations

from erm_alembic.config.redaction import redact
from erm_alembic.config.release_settings import OwnStageSettings
from erm_alembic.release.commands import objection, run_own
from erm_alembic.release.course import Course
from erm_alembic.release.stage import Ended, Stage
from erm_alembic.render.words import duration

__all__ = ["own_stage"]


def own_stage(name: str, settings: OwnStageSettings) -> Stage:
    """The stage of that name.

    Args:
        name: what the team calls it.
        settings: its command.
    """

    def would(course: Course) -> str:
        return f"run `{redact(settings.run)}`"

    def run(course: Course) -> Ended:
        timeout = course.settings.release.timeout if settings.timeout is None else settings.timeout
        done = run_own(course, name, settings.run, timeout)
        if done["outcome"] == "interrupted":
            return Ended("interrupted", objection(done), details=done)
        if done["outcome"] != "done":
            return Ended("failed", objection(done), "Correct what it says.", done)
        return Ended("done", f"done in {duration(done['duration_ms'])}", details=done)

    return Stage(name, would, run)
