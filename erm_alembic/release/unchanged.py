"""Whether a release that goes on is still the one that was begun: its files, its configuration, its environment."""

from __future__ import annotations

from erm_alembic.errors import Refused
from erm_alembic.release.course import Course
from erm_alembic.release.planning import changed_files
from erm_alembic.release.request import changed_settings
from erm_alembic.wording import first_few

__all__ = ["refuse_changed"]

SHOWN = 5


def refuse_changed(course: Course) -> None:
    """Refuse to go on with a release of which something is not what it was; its plan is compared when it is made again.

    Args:
        course: the release.

    Raises:
        Refused: the environment, revision files or settings are others; they are named, never their values.
    """
    record, settings = course.record, course.settings
    assert record is not None
    if record.environment != settings.environment:
        raise Refused(
            f"Release {record.id} of this database was begun as {record.environment}, not as {settings.environment}.",
            effect="Nothing was changed.",
            cure=f"erm release resume --env {record.environment}",
        )
    files = changed_files(course)
    keys = changed_settings(record.terms, settings, course.request.options)
    if not files and not keys:
        return
    told = [f"revision files: {first_few(files, SHOWN, ', ')}"] if files else []
    told += [f"settings: {first_few(keys, SHOWN, ', ')}"] if keys else []
    raise Refused(
        f"Release {record.id} cannot go on: since it was begun, these have changed: {'; '.join(told)}.",
        effect="Nothing was changed; the release stays where it was stopped.",
        cure="Take the changes back and go on, or end this release and begin another one:\n"
        f"  {course.command('release', 'abandon')} --reason TEXT\n  {course.command('release')}",
    )
