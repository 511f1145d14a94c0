"""Which line of a revision file causes a statement: read off the call stack while the statement is sent."""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["calling_line"]


def calling_line(path: str) -> int | None:
    """The line of the file at `path` that is being executed, innermost frame first.

    Args:
        path: the file as its code objects name it.

    Returns:
        The line counted from 1; None when no frame of that file is on the stack (a revision whose code is imported).
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == path:
            return frame.f_lineno
        frame = frame.f_back
    return None
