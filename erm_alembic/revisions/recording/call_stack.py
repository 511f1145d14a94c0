"""Which line of a revision file causes a statement: read off the call stack while the statement is sent."""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["calling_line", "line_in_traceback", "sent_by_sqlalchemy"]


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


def line_in_traceback(error: BaseException, path: str) -> int | None:
    """The line of the file at `path` that an error came through, the deepest one.

    Args:
        error: a caught exception.
        path: the file as its code objects name it.
    """
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def sent_by_sqlalchemy() -> bool:
    """Whether SQLAlchemy itself opened the cursor under way (to ask for the isolation level), not the revision."""
    frame: FrameType | None = sys._getframe(1)
    # psycopg2.extras stands between, when SQLAlchemy asks for the OIDs of hstore on a new connection.
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(("erm_alembic.", "psycopg2.")):
        frame = frame.f_back
    return frame is not None and str(frame.f_globals.get("__name__", "")).startswith("sqlalchemy.")
