"""Where approved plans are kept: written whole or not at all, for their owner only, and never over another file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from erm_alembic.errors import ErmError, UsageError
from erm_alembic.planning.approved_plan import is_plan_file
from erm_alembic.planning.private_file import write_private

__all__ = ["check_place", "read_plan_file", "write_plan_file"]

# A plan of 10,000 revisions is a tenth of it; a device that never ends must not fill the memory.
LARGEST = 64 * 1024 * 1024
NOTHING_CHANGED = "Nothing was changed."


def read_plan_file(path: Path) -> bytes:
    """The bytes of a plan's file.

    Args:
        path: the file, or a pipe.

    Raises:
        UsageError: it cannot be read, or is larger than any plan.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read: {_reason(error)}.",
            effect=NOTHING_CHANGED,
            cure="Give a file that `erm migrate --mode plan --out FILE` has written.",
        ) from None
    if len(content) > LARGEST:
        raise UsageError(
            f"{path} is larger than {LARGEST // 1024 // 1024} MiB, which no plan is.",
            effect=NOTHING_CHANGED,
            cure="Give a file that `erm migrate --mode plan --out FILE` has written.",
        )
    return content


def check_place(path: Path) -> None:
    """Make sure that a plan can be kept at a path, before anything is planned.

    Args:
        path: where it is to be kept.

    Raises:
        UsageError: something else stands there, or the folder is missing or may not be written to.
    """
    if path.name in ("", "-", ".", ".."):
        raise _not_there(path, "is no name of a file", "Name a file; `--format json` prints the plan.")
    try:
        found = path.lstat()
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        raise _not_there(path, f"cannot be written: {_reason(error)}", "Name another file.") from None
    if found is not None:
        _check_present(path, found)
    folder = path.parent
    if not folder.is_dir():
        raise _not_there(path, "is in a folder that does not exist", f"Make it: mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _not_there(path, "is in a folder that may not be written to", "Name another file.")


def _check_present(path: Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise _not_there(path, "is a symbolic link", "Name the file itself.")
    if not stat.S_ISREG(found.st_mode):
        raise _not_there(path, "exists and is no ordinary file", "Name another file.")
    if found.st_size and not is_plan_file(read_plan_file(path)):
        raise _not_there(path, "exists and is no plan", "Name another file, or move it away.")


def write_plan_file(path: Path, text: str) -> None:
    """Keep a plan: readable to its owner only, and in place of an older one at once.

    Args:
        path: where.
        text: the file's text.

    Raises:
        UsageError: something else stands there.
        ErmError: the disk is full.
    """
    check_place(path)
    try:
        write_private(path, text.encode("ascii"))
    except OSError as error:
        raise ErmError(
            f"The plan cannot be kept in {path}: {_reason(error)}.",
            effect="No plan was kept; what stood there stays.",
            cure="Make room, or name another file.",
        ) from None


def _not_there(path: Path, why: str, cure: str) -> UsageError:
    return UsageError(f"--out {path} {why}.", effect="Nothing was planned, and nothing was written.", cure=cure)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or type(error).__name__).lower()
