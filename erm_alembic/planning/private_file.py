"""Files that erm keeps for their owner only, each written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

__all__ = ["can_write_in", "write_private"]

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_private(path: Path, content: bytes) -> None:
    """Write a file, in place of an older one at once; nobody else may read it.

    Args:
        path: where.
        content: what.

    Raises:
        OSError: it cannot be written; what stood there stays.
    """
    beside = _beside(path)
    handle = os.open(beside, FLAGS, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def can_write_in(path: Path) -> OSError | None:
    """Why a file cannot be made where this one is to stand, found out by trying; None when it can.

    Args:
        path: the file that is to be written.
    """
    probe = _beside(path)
    try:
        os.close(os.open(probe, FLAGS, 0o600))
        probe.unlink()
    except OSError as error:
        return error
    return None


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")
