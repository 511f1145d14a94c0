"""The files that a release is written down in: for their owner only, and without any secret or parameter value."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from erm_alembic.config.own_folder import erm_folder
from erm_alembic.errors import ErmError
from erm_alembic.ledger.releases import ReleaseRecord
from erm_alembic.planning.private_file import write_private
from erm_alembic.release.course import Course
from erm_alembic.render.paper.html import paper_html
from erm_alembic.render.paper.markdown import paper_markdown
from erm_alembic.render.paper.model import Paper
from erm_alembic.render.releases import release_json, release_paper
from erm_alembic.render.safe import one_line

__all__ = ["ENDINGS", "report_places", "write_paper", "write_reports"]

# What the ending of a file's name says.
ENDINGS: Mapping[str, str] = {".json": "json", ".html": "html", ".htm": "html", ".md": "markdown"}


def report_places(course: Course, of: str = "") -> tuple[Path, ...]:
    """Where the release is written down: the files that were asked for, else two in the project's `.erm/releases`.

    Args:
        course: the release.
        of: what is added to the files' names.
    """
    folder = course.settings.project_dir / ".erm" / "releases"
    name = f"{_slug(course.settings.environment)}-{course.id or 'N'}{of}"
    kept = (folder / f"{name}.md", folder / f"{name}.html")
    return (*kept, *course.request.reports)


def _slug(environment: str) -> str:
    """The profile's name as a part of a file's name; two profiles never have the same."""
    slug = re.sub(r"[^A-Za-z0-9_-]", "_", environment)[:60]
    return slug if slug == environment else f"{slug}-{hashlib.sha256(environment.encode()).hexdigest()[:8]}"


def write_reports(course: Course) -> list[str]:
    """Write the report of a release of which every other stage is done.

    Args:
        course: the release.

    Returns:
        The files, as they are told.

    Raises:
        ErmError: one of them cannot be written.
    """
    assert course.record is not None
    stages = tuple(each for each in course.record.stages if each.id != course.row)
    record = replace(course.record, outcome="done", stages=stages)
    paper = release_paper(record, course.opened.target.redacted, "done", course.request.typed)
    return write_paper(course, record, paper, "done")


def write_paper(course: Course, record: ReleaseRecord, paper: Paper, state: str, of: str = "") -> list[str]:
    """Write a page to each place, in the format that its ending says.

    Args:
        course: the release.
        record: the release as it is told.
        paper: the page.
        state: how the release stands.
        of: what is added to the names of the files in `.erm/releases`.

    Returns:
        The files, as they are told.

    Raises:
        ErmError: one of them cannot be written.
    """
    written = []
    folder = course.settings.project_dir / ".erm" / "releases"
    for path in report_places(course, of):
        told = _as(ENDINGS.get(path.suffix.lower(), "markdown"), course, record, paper, state)
        try:
            if path.parent == folder:
                erm_folder(course.settings.project_dir)
                folder.mkdir(mode=0o700, exist_ok=True)
            write_private(path, told.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise ErmError(
                f"{one_line(str(path))} cannot be written: {(error.strerror or type(error).__name__).lower()}.",
                effect="What the release has done stays as it is.",
                cure=f"Make room, or name another file; `{course.command('release', 'status')}` shows it too.",
            ) from error
        written.append(_shown(path, course.settings.project_dir))
    return written


def _as(format_: str, course: Course, record: ReleaseRecord, paper: Paper, state: str) -> str:
    if format_ == "json":
        return release_json(record, course.opened.target.redacted, state, typed=course.request.typed)
    return paper_html(paper) if format_ == "html" else paper_markdown(paper)


def _shown(path: Path, project_dir: Path) -> str:
    return str(path.relative_to(project_dir) if path.is_relative_to(project_dir) else path)
