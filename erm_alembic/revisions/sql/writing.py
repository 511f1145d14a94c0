"""Write new files beside each other: all of them or none, and never over one that is there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from erm_alembic.errors import ProjectError, UsageError

__all__ = ["NewFile", "write_all"]

NOTHING_WRITTEN = "Nothing was written."


@dataclass(frozen=True)
class NewFile:
    """A file that is to be written.

    Args:
        path: where.
        content: its bytes.
    """

    path: Path
    content: bytes


def write_all(files: Sequence[NewFile], proven: Callable[[], object]) -> None:
    """Write files in their order; take back those that were written when one of them, or the proof, fails.

    Args:
        files: what to write; a script before the revision that runs it, a revision before those that build on it, so
            that even a killed process leaves a project that can be read, and run once more.
        proven: called when all are written; raises when the project cannot be used with them.

    Raises:
        UsageError: a file stands there already, with this name or one that differs in upper and lower case only.
        ProjectError: a file cannot be written.
    """
    _refuse_to_overwrite(files)
    written: list[Path] = []
    try:
        for file in files:
            _write_whole(file)
            written.append(file.path)
        proven()
    except BaseException as error:
        for path in reversed(written):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ProjectError(
                f"The revision could not be written: {error.strerror or error} ({error.filename or files[0].path}).",
                effect=NOTHING_WRITTEN,
                cure="Make room, and make the folder writable.",
            ) from error
        raise


def _write_whole(file: NewFile) -> None:
    """Give a file its name when all of it is there: a killed process leaves none that is cut off."""
    beginning = file.path.with_name(f".{file.path.name}.new")
    try:
        beginning.unlink(missing_ok=True)
        with beginning.open("xb") as stream:
            stream.write(file.content)
        try:
            file.path.hardlink_to(beginning)  # which, unlike renaming, never takes the place of another file
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            beginning.rename(file.path)
    finally:
        with contextlib.suppress(OSError):
            beginning.unlink(missing_ok=True)


def _refuse_to_overwrite(files: Sequence[NewFile]) -> None:
    there: dict[Path, dict[str, str]] = {}
    for file in files:
        folder = file.path.parent
        if folder not in there:
            there[folder] = {entry.name.casefold(): entry.name for entry in folder.iterdir()} if folder.is_dir() else {}
        other = there[folder].setdefault(file.path.name.casefold(), "")
        if other:
            raise UsageError(
                f"{folder / other} is there already.",
                effect=f"{NOTHING_WRITTEN} That file is as it was.",
                cure="Choose another name."
                if other == file.path.name
                else f"Choose another name: {file.path.name} is the same file where upper and lower case are one.",
            )
        there[folder][file.path.name.casefold()] = file.path.name
