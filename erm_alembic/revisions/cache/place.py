"""Where the cache lies: a private file of the user who runs erm, in the project's `.erm/` or in the user's own cache.

It is written whole or not at all, and read only when it is whole, the user's own and nobody else's to write. There is
no pickle in it: whoever could plant a file could at most make a plan wrong, and even that is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from erm_alembic.config.own_folder import erm_folder

__all__ = ["is_off", "prune_kept", "read_kept", "write_kept"]

OFF = "ERM_NO_CACHE"


def is_off() -> bool:
    """Whether nothing is to be kept: by the variable ERM_NO_CACHE, or where files have no change time and no owner."""
    return os.name != "posix" or bool(os.environ.get(OFF))


def read_kept(root: Path, name: str) -> bytes | None:
    """The content of a file that `write_kept` wrote; None when there is none that can be trusted.

    Args:
        root: the project's folder.
        name: the file's name.
    """
    for folder in _folders(root):
        with contextlib.suppress(OSError):
            content = _read(folder / name)
            if content is not None:
                return content
    return None


def write_kept(root: Path, name: str, content: bytes) -> bool:
    """Write a file in the first place that can be written; whether there was one.

    Args:
        root: the project's folder.
        name: the file's name.
        content: what is to be kept.
    """
    for folder in _folders(root):
        with contextlib.suppress(OSError):
            if _make_private(root, folder):
                _write(folder / name, content)
                return True
    return False


def prune_kept(root: Path, prefix: str, most: int) -> None:
    """Remove the oldest of the files whose names begin alike, but for some.

    Args:
        root: the project's folder.
        prefix: how their names begin.
        most: how many are left.
    """
    for folder in _folders(root):
        with contextlib.suppress(OSError):
            found = sorted(folder.glob(f"{prefix}*"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in found[most:]:
                path.unlink(missing_ok=True)


def _folders(root: Path) -> tuple[Path, ...]:
    """Where to look and to write: in a project of one's own, else (or when it cannot be written) at home."""
    found = [root / ".erm" / "cache"] if root.stat().st_uid == os.geteuid() else []
    own = os.environ.get("XDG_CACHE_HOME", "")
    with contextlib.suppress(RuntimeError):  # there is no home
        found.append((Path(own) if own.startswith("/") else Path("~/.cache").expanduser()) / "erm")
    return tuple(found)


def _make_private(root: Path, folder: Path) -> bool:
    """Make a folder that only its owner may enter, or see that it is one."""
    if folder.is_relative_to(root):
        erm_folder(root)
    else:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _read(path: Path) -> bytes | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            return None
        digest, _, content = file.read().partition(b"\n")
    return content if digest == hashlib.sha256(content).hexdigest().encode() else None


def _write(path: Path, content: bytes) -> None:
    descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by its owner alone
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        Path(unfinished).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(unfinished).unlink()
        raise
