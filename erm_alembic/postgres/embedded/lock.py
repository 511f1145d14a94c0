"""One process at a time starts, stops or removes a project's server.

The lock is one of the operating system: it is free the moment its holder dies, however it dies.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from erm_alembic.config.own_folder import cannot_write, servers_folder
from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.private_place import DEVELOPMENT

__all__ = ["cluster_lock"]

LOCK_PATIENCE = 180.0
POLL_INTERVAL = 0.02


@contextmanager
def cluster_lock(project_dir: Path, place: str = DEVELOPMENT) -> Iterator[int]:
    """Let one process at a time start, stop or reset the project's server; gives the lock's file descriptor.

    Raises:
        ServerError: the folder `.erm` cannot be made, or another process holds the lock for three minutes.
    """
    path = servers_folder(project_dir) / f"{place}.lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(handle, owner.st_uid, owner.st_gid)
        _acquire(handle, path)
        yield handle
    finally:
        os.close(handle)


def _acquire(handle: int, path: Path) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ServerError(
                    f"Another process has been starting or stopping the server for {LOCK_PATIENCE:.0f} s"
                    f" (it holds {path}).",
                    effect="The embedded server was left as it is.",
                    cure="Wait for it, or end that process, then try again.",
                ) from None
            time.sleep(POLL_INTERVAL)
        else:
            return
