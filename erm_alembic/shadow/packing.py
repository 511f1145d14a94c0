"""Templates between runs: one file each, from which their thousands of small files are made in memory when needed.

A template is a database in the tablespace in memory. The server need not know that its files are away: it opens none of
them before the template is copied, and nobody connects to one. Some disks take a hundred times longer than memory for
making files, and a history of five hundred tables is four thousand of them.

The folders belong to the server's user, who need not be this process's: no path in them is followed twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.private_place import private_folder

__all__ = ["PackedTemplates"]

MAGIC = b"ermpack1"
LENGTH = struct.Struct(">Q")
UNFINISHED = "unfinished-"
# In seconds: what is younger may be somebody's who writes it now.
ABANDONED_AFTER = 3600.0


@dataclass(frozen=True)
class PackedTemplates:
    """The packed templates of one server, and the place in memory where they are unpacked.

    Args:
        store: the folder for the packed ones; made when it is needed.
        databases: the folder in memory that has a folder for each database, named by its OID.
    """

    store: Path
    databases: Path

    def pack(self, name: str, oid: int) -> None:
        """Write the files of a template, all of which the server has written out, into one.

        Where that cannot be done the template lasts no longer than the server runs.

        Args:
            name: the template.
            oid: its OID.
        """
        making = self.store / f"{UNFINISHED}{secrets.token_hex(4)}"
        with contextlib.suppress(OSError, ServerError):
            owner = self.databases.stat()
            private_folder(self.store, uid=owner.st_uid, gid=owner.st_gid)
            try:
                with open(making, "xb", opener=_private) as file:
                    if owner.st_uid != os.geteuid():
                        os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                    _write(self.databases / str(oid), file)
                making.rename(self._path(name, oid))
            finally:
                making.unlink(missing_ok=True)

    def unpack(self, name: str, oid: int) -> bool:
        """Have the files of a template in memory; whether they are there.

        Args:
            name: the template.
            oid: its OID.
        """
        folder = self.databases / str(oid)
        if folder.is_dir():
            return True
        making = self.databases.parent / f"{UNFINISHED}{secrets.token_hex(4)}"
        try:
            with open(self._path(name, oid), "rb", opener=_as_it_is) as file:
                _read(file, making, self.databases.stat())
            with contextlib.suppress(OSError):  # another run was quicker
                making.rename(folder)
            return folder.is_dir()
        except (OSError, ValueError, struct.error):
            return False
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def forget_but(self, kept: Mapping[str, int]) -> None:
        """Remove the packed files of templates that are no more.

        Args:
            kept: the OIDs of the templates that there are, by name.
        """
        names = {self._path(name, oid).name for name, oid in kept.items()}
        with contextlib.suppress(OSError):
            for path in self.store.iterdir():
                fresh = path.name.startswith(UNFINISHED) and time.time() - path.stat().st_mtime < ABANDONED_AFTER
                if path.name not in names and not fresh:
                    path.unlink(missing_ok=True)

    def _path(self, name: str, oid: int) -> Path:
        return self.store / f"{name}-{oid}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _as_it_is(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _write(folder: Path, file: IO[bytes]) -> None:
    """Write the files of a folder one after the other, with a list of them before.

    Raises:
        OSError: one of them cannot be read, or is not what it was a moment before.
    """
    with _opened(folder) as within:
        with os.scandir(within) as entries:
            sizes = {each.name: each.stat(follow_symlinks=False).st_size for each in entries}
        told = json.dumps(sizes).encode("utf-8")
        file.write(MAGIC + LENGTH.pack(len(told)) + told)
        for name, size in sizes.items():
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=within)
            try:
                content = os.read(handle, size + 1)
                while 0 < len(content) < size and (more := os.read(handle, size - len(content))):
                    content += more
            finally:
                os.close(handle)
            if len(content) != size:
                raise OSError(f"{name} is written to")
            file.write(content)


def _read(file: IO[bytes], folder: Path, owner: os.stat_result) -> None:
    """Make a folder of what `_write` wrote.

    Raises:
        OSError: it cannot be made.
        ValueError: it is cut short, or something else.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("no packed template")
    sizes: dict[str, int] = json.loads(file.read(LENGTH.unpack(file.read(LENGTH.size))[0]))
    theirs = owner.st_uid != os.geteuid()
    folder.mkdir(mode=0o700)
    with _opened(folder) as within:
        if os.fstat(within).st_uid != os.geteuid():
            raise ValueError("somebody else's folder")
        for name, size in sizes.items():
            content = memoryview(file.read(size))
            if len(content) != size or "/" in name:
                raise ValueError("cut short")
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=within)
            try:
                while content:
                    content = content[os.write(handle, content) :]
                if theirs:
                    os.fchown(handle, owner.st_uid, owner.st_gid)
            finally:
                os.close(handle)
        if theirs:
            os.fchown(within, owner.st_uid, owner.st_gid)
