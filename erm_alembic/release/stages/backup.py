"""backup: where the profile demands one for what is to be applied, there is one before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass

from erm_alembic.backup import take, verify
from erm_alembic.config.sizes import about
from erm_alembic.errors import BackupError
from erm_alembic.planning.request import Request
from erm_alembic.release.course import Course
from erm_alembic.release.stage import Ended, Stage, nothing_to_do

__all__ = ["STAGE"]


def _why_not(course: Course) -> str | None:
    """Why none is taken, whatever is applied."""
    settings = course.settings.backup
    if not settings.demanded:
        return "backup.before is never"
    if settings.method == "none":
        return "backup.method is none"
    if not settings.max_age:
        return "backup.max_age is 0s, so that the run itself takes one before its first step"
    return None


def _would(course: Course) -> str:
    if (why_not := _why_not(course)) is not None:
        return f"nothing: {why_not}"
    settings = course.settings.backup
    what = "before every run" if settings.before == "every" else "where the plan may lose data"
    return f"take a backup with {settings.method}, {what}"


def _run(course: Course) -> Ended:
    if (why_not := _why_not(course)) is not None:
        return nothing_to_do(why_not)
    plan = course.details("plan")
    wanted = plan.get("backup")
    if wanted is None or not wanted["demanded"]:
        return nothing_to_do(f"nothing of this plan demands one (backup.before is {course.settings.backup.before})")
    if wanted["fresh"] is not None and _is_sound(course, wanted["fresh"]):
        return Ended("done", f"{wanted['fresh']} is fresh enough", details={"id": wanted["fresh"]})
    backup = take(
        course.settings.environment,
        config=course.settings.config_path,
        tables_at_risk=wanted["only_at_risk"],
        request=Request("upgrade", plan["to"]),
        progress=_Told(course),
        options=course.request.options,
    )
    size = "" if backup.bytes is None else f", {about(backup.bytes)}"
    details = {
        "id": backup.id,
        "place": backup.place,
        "method": backup.method,
        "bytes": backup.bytes,
        "tables": None if backup.tables is None else list(backup.tables),
        "verified": backup.verified,
    }
    return Ended("done", f"{backup.id}{size}, {backup.verified}: {backup.place}", details=details)


def _is_sound(course: Course, backup: str) -> bool:
    """Whether the backup that the plan found fresh is what it was: the plan knows it from the ledger alone."""
    try:
        verify(course.settings.environment, backup, config=course.settings.config_path, progress=_Told(course))
    except BackupError as error:
        course.tell(f"  Warning: {error.what} Another one is taken.")
        return False
    return True


@dataclass(frozen=True)
class _Told:
    """What taking a backup tells, line by line.

    Args:
        course: the release.
    """

    course: Course

    def note(self, message: str) -> None:
        self.course.tell(f"  {message}")

    def at(self, what: str, done: int, total: int) -> None:
        """Nothing: a release has a line for what begins and ends."""


STAGE = Stage("backup", _would, _run)
