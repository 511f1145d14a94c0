"""Which private servers the runs of a project's tests have, so that the next run stops those of one that was killed.

A record lies in the project's `.erm/test-servers/`: it says where the servers have their files, and is locked for as
long as the run lives. Whoever gets the lock of a record finds servers that belong to nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from pathlib import Path
from typing import BinaryIO

from erm_alembic.config.own_folder import erm_folder
from erm_alembic.errors import ErmError
from erm_alembic.postgres.embedded.server import EmbeddedServer

__all__ = ["ServersRecord", "stop_left_servers"]

PLACE = "test-servers"
# A standby before its primary.
NAMES = ("standby", "primary")


class ServersRecord:
    """The record of the servers of this process, until `close()` or its end.

    Args:
        project: the folder of the project whose tests run; where nothing can be written, there is no record.
        folder: where the servers have their files.
    """

    def __init__(self, project: Path, folder: Path) -> None:
        self._path: Path | None = None
        self._handle: BinaryIO | None = None
        with contextlib.suppress(OSError, ErmError):
            place = erm_folder(project) / PLACE
            place.mkdir(mode=0o700, exist_ok=True)
            while self._path is None:
                self._take(place / uuid.uuid4().hex, folder)

    def close(self) -> None:
        """The servers are gone."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        if self._handle is not None:
            self._handle.close()
        self._path = self._handle = None

    def _take(self, path: Path, folder: Path) -> None:
        handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not path.exists():  # another run took it for one that was left, before it was locked
            handle.close()
            return
        handle.write(os.fsencode(folder.resolve()))
        handle.flush()
        self._handle, self._path = handle, path


def stop_left_servers(project: Path) -> None:
    """Stop the servers of runs that were killed, and remove their files.

    Args:
        project: the folder of the project whose tests run.
    """
    with contextlib.suppress(OSError):
        for path in sorted((project / ".erm" / PLACE).iterdir()):
            with contextlib.suppress(OSError, ErmError), path.open("r+b") as handle:  # one that lives is left alone
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                folder = Path(os.fsdecode(handle.read()))
                for name in NAMES if folder.is_absolute() else ():
                    if (folder / name).is_dir():
                        EmbeddedServer(folder / name).reset()
                path.unlink(missing_ok=True)
