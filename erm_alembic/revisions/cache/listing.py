"""Which revision files there are, and which very files they are: told by the file system alone, without opening one.

A file is known by its device, inode, size, time of content (mtime) and time of last change (ctime). The last one no
program can set: a file that was edited and given its old size and mtime back, swapped with another by renaming, or put
behind the same symbolic link, differs in it or in the inode.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Identity", "Listing", "identity_of", "list_files"]

Identity = list[int]
"""Device, inode, size, mtime and ctime (nanoseconds), as JSON gives it back."""


@dataclass(frozen=True)
class Listing:
    """The files that Alembic would load.

    Args:
        files: by path, as the version locations give it: which file it is.
        links: by the path of each symbolic link among them: the file that it leads to.
    """

    files: dict[str, Identity]
    links: dict[str, str]


def identity_of(status: os.stat_result) -> Identity:
    """Which file a status is of, and in which state."""
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def list_files(folders: Iterable[str], *, recursive: bool) -> Listing:
    """List what Alembic would load from version locations.

    Args:
        folders: the version locations, absolute; one that does not exist is empty, as it is for Alembic.
        recursive: whether the folders below them count too.

    Raises:
        OSError: a folder or a file cannot be looked at.
    """
    listing = Listing({}, {})
    for folder in folders:
        if os.path.exists(folder):  # noqa: PTH110 - thousands of entries: pathlib is five times as slow
            _list_folder(folder, recursive, listing)
    return listing


def _list_folder(folder: str, recursive: bool, listing: Listing) -> None:
    below: list[str] = []
    holds_bytecode = folder.endswith("__pycache__")
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.endswith(".py") and not name.startswith((".#", "__init__")) and not holds_bytecode:
                status = entry.stat()
                if stat.S_ISREG(status.st_mode):
                    listing.files[entry.path] = identity_of(status)
                    if entry.is_symlink():
                        listing.links[entry.path] = os.path.realpath(entry.path)
                    continue
            if recursive and entry.is_dir(follow_symlinks=False):
                below.append(entry.path)
    for path in below:
        _list_folder(path, recursive, listing)
