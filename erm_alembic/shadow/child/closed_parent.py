"""The parent, closed to the process that it starts: its variables and its memory hold the target's credentials.

A process may read another one's of the same user through /proc, unless that one says that it is not to be dumped. The
system's administrator may all the same.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["closed_to_others"]

PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4

_lock = threading.Lock()
_closed: list[int] = []


@contextmanager
def closed_to_others() -> Iterator[None]:
    """Let nobody but the administrator read this process's variables and memory for as long as the block lasts.

    Blocks may overlap; the last one to end leaves the process as the first one found it. Only Linux can do so.

    Example:
        >>> with closed_to_others():
        ...     pass
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None
    if prctl is None:
        yield
        return
    with _lock:
        _closed.append(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        yield
    finally:
        with _lock:
            first = _closed[0]
            _closed.pop()  # of the same length, whichever block ends: the first one's finding goes last
            if not _closed and first == 1:
                prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
