"""The child leaves the network, where the system lets it: what then connects elsewhere fails in the kernel.

That holds for every library in every language, and for the programs that a revision starts. A shadow on a unix socket
needs no network; for one that does, and where the system lets no process leave, the guards in Python stand alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

__all__ = ["leave_network"]

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def leave_network() -> bool:
    """Put this process into a network namespace of its own, in which there is nothing; say whether that was let.

    Called while the process has one thread: threads that are there already would stay outside.
    """
    unshare = getattr(ctypes.CDLL(None), "unshare", None) if os.name == "posix" else None
    if unshare is None:
        return False
    if os.geteuid() == 0:
        return bool(unshare(CLONE_NEWNET) == 0)
    uid, gid = os.geteuid(), os.getegid()
    if unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return False
    # The process goes on as the user that it was; without these it would be nobody to whoever asks.
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    return True
