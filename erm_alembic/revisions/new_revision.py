"""Write an empty revision from the project's own template, as `alembic revision` does, without a database."""

from __future__ import annotations

from pathlib import Path

from alembic.script import ScriptDirectory
from alembic.util import CommandError, rev_id

from erm_alembic.errors import ProjectError, UsageError
from erm_alembic.revisions.project import AlembicProject

__all__ = ["create_revision"]


def create_revision(
    project: AlembicProject,
    message: str,
    *,
    head: str | None = None,
    splice: bool = False,
) -> Path:
    """Create the file of a new, empty revision.

    Args:
        project: the project that it belongs to.
        message: what changes; becomes the docstring and part of the file's name.
        head: the revision, label or `LABEL@head` to build on; the only head where None.
        splice: allow `head` to be a revision that is not a head, which starts a branch.

    Returns:
        The new file.

    Raises:
        ProjectError: when the project cannot be read, or the file cannot be written.
        UsageError: when `head` does not say one place to build on.

    Example:
        `create_revision(find_project(settings), "add reviews")`
    """
    with project.entered():
        scripts = project.scripts()
        heads = scripts.get_heads()
        if head is None and len(heads) > 1:
            raise UsageError(
                f"There are {len(heads)} heads: {', '.join(sorted(heads))}.",
                effect="No revision was written.",
                cure="Say which one to build on with --head REV, or merge them: `alembic merge heads`.",
            )
        scripts.messaging_opts = {"quiet": True}
        return _written(scripts, message, head, splice)


def _written(scripts: ScriptDirectory, message: str, head: str | None, splice: bool) -> Path:
    revision = rev_id()
    try:
        script = scripts.generate_revision(revision, message, head=head or "head", splice=splice)
    except BaseException as error:
        _remove(scripts, revision)
        if isinstance(error, CommandError):
            raise UsageError(
                f"The revision could not be written: {error}.",
                effect="No revision was written.",
                cure="`alembic heads` lists what can be built on; --splice allows what is not a head.",
            ) from error
        if isinstance(error, SyntaxError):
            raise UsageError(
                f"The revision's file would not be Python: {error.msg} (line {error.lineno}).",
                effect="No revision was written.",
                cure="Leave quotes and line breaks out of the name, or correct script.py.mako.",
            ) from error
        if isinstance(error, OSError):
            place = error.filename or scripts.dir
            raise ProjectError(
                f"The revision could not be written: {error.strerror or error} ({place}).",
                effect="No revision was written.",
                cure="Make the folder writable, and see that it has a script.py.mako.",
            ) from error
        raise
    if script is None:
        _remove(scripts, revision)
        raise ProjectError(
            "Alembic does not read the file that script.py.mako makes as a revision.",
            effect="No revision was written.",
            cure="script.py.mako must write `revision = ...`; compare it with the one of a new project.",
        )
    return Path(script.path)


def _remove(scripts: ScriptDirectory, revision: str) -> None:
    """Take away what a failed attempt left: a half-written revision would stop every later command.

    Only a file that names the new id can be ours: ids are drawn at random, and nobody else knows this one.
    """
    for location in scripts.version_locations or (scripts.versions,):
        for path in Path(location).rglob("*.py"):
            if revision in path.read_text(encoding="utf-8", errors="replace"):
                path.unlink(missing_ok=True)
