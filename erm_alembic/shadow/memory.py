"""Scratch databases in memory: a copy is mostly the making of files, which some disks take a hundred times longer for.

Only copies lie there, and only as long as a run needs them; what is kept is on the disk. The server knows the place as
a tablespace, so that nothing of it shows in a database's catalog.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.private_place import private_folder, short_digest

__all__ = ["leave_memory", "memory_folder", "room_in_memory"]

MEMORY = Path("/dev/shm")
# In bytes. With less, a large schema, or another program, could run out of it.
ENOUGH = 1024**3


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
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)


def _folder(data_dir: Path) -> Path:
    return MEMORY / f"erm-{os.geteuid()}-{short_digest(data_dir)}"
