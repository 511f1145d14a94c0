"""Who uses the shadow's embedded server: the last one to leave stops it, however the others have ended.

Each run holds a shared lock of the operating system, which is free the moment its holder dies. Whoever can have the
lock alone is the only one there.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from erm_alembic.config.own_folder import cannot_write, servers_folder
from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.server import EmbeddedServer
from erm_alembic.shadow.memory import leave_memory

__all__ = ["ServerUse", "boot_id"]

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str | None:
    """What tells this start of the machine from every other one; None where the system does not say."""
    try:
        return BOOT_ID.read_text("utf-8").strip() or None
    except OSError:
        return None


class ServerUse:
    """One run's use of a project's embedded server for shadows.

    Args:
        project_dir: the folder whose `.erm` it is in.
        place: the folder in `.erm/`.
        server: the server.
    """

    def __init__(self, project_dir: Path, place: str, server: EmbeddedServer) -> None:
        self._folder = project_dir
        self._place = place
        self._server = server
        self._handle: int | None = None

    def begin(self) -> None:
        """Use the server: start it where it does not run.

        Its files do not wait for the disk, and some are in memory: what a crash of the machine, or the end of a
        container, has left of them is not to be trusted, and is made anew.

        Raises:
            ServerError: it cannot be started, or `.erm` cannot be written.
        """
        alone = False
        if self._handle is None:
            self._handle = self._opened(f"{self._place}.users")
            if alone := self._alone():
                self._discard_after_restart()
            fcntl.flock(self._handle, fcntl.LOCK_SH)
        try:
            self._server.ensure_running()
        except ServerError:
            if not alone or not self._server.reset():
                raise
            self._server.ensure_running()

    def end(self) -> None:
        """Use it no more; stop it when nobody does."""
        if self._handle is None:
            return
        try:
            if self._alone():
                data_dir = self._server.status().data_dir
                self._server.stop()
                if data_dir is not None:
                    leave_memory(data_dir)
        finally:
            os.close(self._handle)
            self._handle = None

    def _alone(self) -> bool:
        assert self._handle is not None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _discard_after_restart(self) -> None:
        now = boot_id()
        handle = self._opened(f"{self._place}.boot")
        try:
            before = os.read(handle, 100).decode("utf-8", "replace")
            if now is not None and before != now:
                self._server.reset()
                os.lseek(handle, 0, os.SEEK_SET)
                os.ftruncate(handle, 0)
                os.write(handle, now.encode("utf-8"))
        finally:
            os.close(handle)

    def _opened(self, name: str) -> int:
        folder = servers_folder(self._folder)
        path = folder / name
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise cannot_write(path, error) from error
        if os.geteuid() == 0:
            owner = folder.stat()
            os.fchown(handle, owner.st_uid, owner.st_gid)
        return handle
