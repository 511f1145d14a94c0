"""What writing a revision file needs beside Alembic's own doing: a harmless message, a folder, all or nothing.

Alembic opens the new file before it writes to it, and puts the message into the file's docstring as it is. So a full
disk leaves an empty file that stops every later command, and a message can end the docstring and become code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory

from erm_alembic.errors import ProjectError, UsageError
from erm_alembic.revisions.graph import version_folders

__all__ = ["all_or_nothing", "chosen_location", "placing_cure", "refuse_several_heads", "refuse_unsafe_message"]


def refuse_unsafe_message(message: str) -> None:
    """Refuse a message that would not stay inside the docstring of the file.

    Args:
        message: what changes, as the user wrote it.

    Raises:
        UsageError: it holds three quotes, a backslash, a line break or another control character.

    Example:
        >>> refuse_unsafe_message("don't keep the old rates")
    """
    if '"""' in message or "'''" in message:
        found = "three quotes in a row"
    elif "\\" in message:
        found = "a backslash"
    elif not message.isprintable():
        found = "a line break or another character that cannot be printed"
    else:
        return
    raise UsageError(
        f"The message holds {found}, which could become code in the revision file.",
        effect="No revision was written.",
        cure="Say what changes in one line of plain words.",
    )


def refuse_several_heads(scripts: ScriptDirectory, head: str | None) -> None:
    """Refuse to choose among several heads: the new revision builds on the one that is named.

    Args:
        scripts: the project's script directory.
        head: the revision to build on, as the user named it; None for no choice.

    Raises:
        UsageError: none is named, and there are several heads.
    """
    heads = scripts.get_heads()
    if head is None and len(heads) > 1:
        raise UsageError(
            f"There are {len(heads)} heads: {', '.join(sorted(heads))}.",
            effect="No revision was written.",
            cure="Say which one to build on with --head REV, or merge them: `alembic merge heads`.",
        )


def chosen_location(scripts: ScriptDirectory, wanted: Path | None, called_from: Path) -> str | None:
    """The version location that `--version-path` means, as Alembic knows it.

    Args:
        scripts: the project's script directory.
        wanted: what the user wrote, relative to where the command was called or to the project; None for no choice.
        called_from: the folder in which the command was called.

    Raises:
        UsageError: it is none of the project's version locations.
    """
    if wanted is None:
        return None
    meant = {(called_from / wanted).resolve(), (Path.cwd() / wanted).resolve()}
    for location in version_folders(scripts):
        if location.resolve() in meant:
            return str(location)
    raise UsageError(
        f"{wanted} is none of the project's version locations.",
        effect="No revision was written.",
        cure=f"Choose one of them with --version-path: {_listed(scripts)}.",
    )


def placing_cure(scripts: ScriptDirectory, otherwise: str) -> str:
    """What to type when Alembic could not place a revision.

    Args:
        scripts: the project's script directory.
        otherwise: the cure that does not depend on the version locations.
    """
    if len(version_folders(scripts)) < 2:
        return otherwise
    return f"Say in which folder with --version-path: {_listed(scripts)}. {otherwise}"


@contextlib.contextmanager
def all_or_nothing(scripts: ScriptDirectory) -> Iterator[None]:
    """Take every file away that Alembic has begun, when what is done inside fails; never write over a file.

    Args:
        scripts: the script directory that writes.

    Raises:
        UsageError: the file would not be Python, or stands there already.
        ProjectError: the file cannot be written.
    """
    begun: list[Path] = []
    write = scripts._generate_template

    def noting(src: Any, dest: Any, **arguments: Any) -> None:
        path = Path(dest)
        if path.exists():
            raise UsageError(
                f"{path} is there already.",
                effect="No revision was written, and that file is as it was.",
                cure="Choose another message, or put %%(rev)s into file_template of alembic.ini.",
            )
        begun.append(path)
        write(src, dest, **arguments)

    scripts._generate_template = noting  # type: ignore[method-assign]  # this one's own
    try:
        yield
    except BaseException as error:
        for path in begun:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        if isinstance(error, SyntaxError):
            raise UsageError(
                f"The revision's file would not be Python: {error.msg} (line {error.lineno}).",
                effect="No revision was written.",
                cure="Leave quotes out of the message, or correct script.py.mako.",
            ) from error
        if isinstance(error, OSError):
            raise ProjectError(
                f"The revision could not be written: {error.strerror or error} ({error.filename or scripts.dir}).",
                effect="No revision was written.",
                cure="Make room, make the folder writable, and see that it has a script.py.mako.",
            ) from error
        raise
    finally:
        del scripts._generate_template


def _listed(scripts: ScriptDirectory) -> str:
    root = Path.cwd().resolve()
    resolved = [location.resolve() for location in version_folders(scripts)]
    return ", ".join(str(path.relative_to(root) if path.is_relative_to(root) else path) for path in resolved)
