"""Scratch databases in memory: a copy is mostly the making of files, which some disks take a hundred times longer for.

They lie there only as long as the server runs; what is kept is packed on the disk (`packing`). The server knows the
place as a tablespace, so that nothing of it shows in a database's catalog.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.private_place import private_folder, short_digest

__all__ = ["databases_in", "leave_memory", "memory_folder", "room_in_memory"]

MEMORY = Path("/dev/shm")
# In bytes. With less, a large schema, or another program, could run out of it.
ENOUGH = 1024**3
# In the name of a folder that is being removed.
LEAVING = ".leaving-"


def room_in_memory() -> bool:
    """Whether this machine has a file system in memory with room to spare, and memory for it."""
    try:
        found = os.statvfs(MEMORY)
        available = next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in line)
    except (OSError, StopIteration):
        return False
    free = found.f_bavail * found.f_frsize
    return min(free, int(available.split()[1]) * 1024) >= ENOUGH and os.access(MEMORY, os.W_OK | os.X_OK)


def memory_folder(data_dir: Path) -> Path | None:
    """A private folder in memory for a server, made where it is missing; None where there is none to be had.

    Args:
        data_dir: the server's data directory; who owns it owns the folder.
    """
    if not room_in_memory():
        return None
    owner = data_dir.stat()
    try:
        return private_folder(_folder(data_dir), uid=owner.st_uid, gid=owner.st_gid)
    except (OSError, ServerError):
        return None


def leave_memory(data_dir: Path) -> None:
    """Take everything of a stopped server out of memory.

    Args:
        data_dir: the server's data directory.
    """
    folder = _folder(data_dir)
    leaving = folder.with_name(f"{folder.name}{LEAVING}{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        # At once, so that a process that is killed leaves no template in part.
        folder.rename(leaving)
    for each in folder.parent.glob(f"{folder.name}{LEAVING}*"):
        if not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)


def databases_in(folder: Path, within: str) -> Path | None:
    """The folder for databases that a tablespace has in a folder, made where it is missing; None where it cannot be.

    Args:
        folder: what `memory_folder` gave, which may have been emptied since the tablespace was made.
        within: the path that the server gives it.
    """
    owner = folder.stat()
    try:
        return private_folder(Path(within), uid=owner.st_uid, gid=owner.st_gid)
    except (OSError, ServerError):
        return None


def _folder(data_dir: Path) -> Path:
    return MEMORY / f"erm-{os.geteuid()}-{short_digest(data_dir)}"
