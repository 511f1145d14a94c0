"""Write a merge revision from the project's own template, as `alembic merge` does, without a database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alembic.util import CommandError, rev_id

from erm_alembic.errors import ProjectError, UsageError
from erm_alembic.revisions.graph import version_folders
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.writing import all_or_nothing, placing_cure, refuse_unsafe_message

__all__ = ["create_merge"]


def create_merge(project: AlembicProject, heads: Sequence[str], message: str) -> tuple[str, Path]:
    """Create the file of a revision that builds on several.

    Args:
        project: the project that it belongs to.
        heads: the heads that it merges.
        message: its message.

    Returns:
        Its id and its file.

    Raises:
        ProjectError: the project cannot be read, or the file cannot be written.
        UsageError: the message could become code, or it is not certain where the file is to stand.
    """
    refuse_unsafe_message(message)
    with project.entered():
        scripts = project.scripts()
        scripts.messaging_opts = {"quiet": True}
        # Beside the first of them, where there are several version locations.
        first = scripts.get_revision(heads[0])
        location = str(Path(first.path).parent) if first is not None and len(version_folders(scripts)) > 1 else None
        with all_or_nothing(scripts):
            try:
                script = scripts.generate_revision(
                    rev_id(), message, refresh=True, head=list(heads), version_path=location
                )
            except CommandError as error:
                raise UsageError(
                    f"The merge revision could not be written: {error}.",
                    effect="No revision was written.",
                    cure=placing_cure(scripts, "`alembic merge heads` says more."),
                ) from error
        if script is None:
            raise ProjectError(
                "Alembic does not read the file that script.py.mako makes as a revision.",
                effect="No revision was written.",
                cure="script.py.mako must write `revision = ...`; compare it with the one of a new project.",
            )
        return script.revision, Path(script.path)
