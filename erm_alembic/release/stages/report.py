"""report: the release is written down, for whoever was not there."""

from __future__ import annotations

from erm_alembic.release.course import Course
from erm_alembic.release.files import report_places, write_reports
from erm_alembic.release.stage import Ended, Stage

__all__ = ["STAGE"]


def _would(course: Course) -> str:
    return "write " + ", ".join(str(path) for path in report_places(course))


def _run(course: Course) -> Ended:
    written = write_reports(course)
    return Ended("done", f"written to {', '.join(written)}", details={"files": written})


STAGE = Stage("report", _would, _run)
