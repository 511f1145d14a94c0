"""Write an empty revision from the project's own template, as `alembic revision` does, without a database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from alembic.util import CommandError, rev_id

from erm_alembic.errors import ProjectError, UsageError
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.writing import (
    all_or_nothing,
    chosen_location,
    placing_cure,
    refuse_several_heads,
    refuse_unsafe_message,
)

__all__ = ["create_revision"]


def create_revision(
    project: AlembicProject,
    message: str,
    *,
    head: str | None = None,
    splice: bool = False,
    version_path: Path | None = None,
    upgrades: str | None = None,
    downgrades: str | None = None,
    imports: str = "",
) -> Path:
    """Create the file of a new revision: an empty one, or one with what it is to do.

    Args:
        project: the project that it belongs to.
        message: what changes; becomes the docstring and part of the file's name.
        head: the revision, label or `LABEL@head` to build on; the only head where None.
        splice: allow `head` to be a revision that is not a head, which starts a branch.
        version_path: the version location to write to, where the project has several.
        upgrades: the code of upgrade(), indented from its second line on.
        downgrades: the code of downgrade(), likewise.
        imports: what that code imports.

    Returns:
        The new file.

    Raises:
        ProjectError: when the project cannot be read, or the file cannot be written.
        UsageError: when `head` does not say one place to build on, `version_path` is no version location, or the
            message could become code.

    Example:
        `create_revision(find_project(settings), "add reviews")`
    """
    refuse_unsafe_message(message)
    called_from = Path.cwd()
    with project.entered():
        scripts = project.scripts()
        refuse_several_heads(scripts, head)
        scripts.messaging_opts = {"quiet": True}
        location = chosen_location(scripts, version_path, called_from)
        with all_or_nothing(scripts):
            code = {"upgrades": upgrades, "downgrades": downgrades, "imports": imports}
            body = code if upgrades is not None else {}
            return _written(scripts, message, head, splice, location, body)


def _written(
    scripts: ScriptDirectory,
    message: str,
    head: str | None,
    splice: bool,
    location: str | None,
    body: Mapping[str, Any],
) -> Path:
    try:
        script = scripts.generate_revision(
            rev_id(), message, head=head or "head", splice=splice, version_path=location, **body
        )
    except CommandError as error:
        raise UsageError(
            f"The revision could not be written: {error}.",
            effect="No revision was written.",
            cure=placing_cure(
                scripts, "`alembic heads` lists what can be built on; --splice allows what is not a head."
            ),
        ) from error
    if script is None:
        raise ProjectError(
            "Alembic does not read the file that script.py.mako makes as a revision.",
            effect="No revision was written.",
            cure="script.py.mako must write `revision = ...`; compare it with the one of a new project.",
        )
    return Path(script.path)
