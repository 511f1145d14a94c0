"""Which line of a revision file causes a statement: read off the call stack while the statement is sent."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from types import FrameType

__all__ = ["beside", "calling_line", "calling_place", "failed_at", "line_in_traceback", "sent_by_sqlalchemy"]

SCRIPT = ".sql"  # a frame in such a file runs a statement of it (revisions/sql/sql_scripts.py)


def _is_script_of(file: str, path: str) -> bool:
    """Whether a frame's file is a SQL script beside the revision file; a template engine's may be called `.sql` too."""
    return file.endswith(SCRIPT) and Path(file).parent == Path(path).parent


def calling_place(path: str) -> tuple[str, int] | None:
    """The file and line that send what is being sent: the file at `path`, or a SQL script that it runs.

    Args:
        path: the revision file as its code objects name it.

    Returns:
        The file and its line, counted from 1; None when no frame of either is on the stack (a revision whose code is
        imported).
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file == path or _is_script_of(file, path):
            return file, frame.f_lineno
        frame = frame.f_back
    return None


def calling_line(path: str) -> int | None:
    """The line of the file at `path`, or of a SQL script that it runs, that is being executed, innermost frame first.

    Args:
        path: the file as its code objects name it.

    Returns:
        The line counted from 1; None when no frame of that file is on the stack (a revision whose code is imported).
    """
    place = calling_place(path)
    return None if place is None else place[1]


def failed_at(error: BaseException, path: str, shown: str, otherwise: tuple[str, int] | None = None) -> str:
    """Where a revision failed, as `file:line`; as `file:line:column` in a SQL script that it runs.

    Args:
        error: a caught exception.
        path: the revision file as its code objects name it.
        shown: the same file as it is shown.
        otherwise: the file and line that sent the last statement, where the error itself knows none.
    """
    place = getattr(error, "sql_place", None)
    if place is not None:
        return f"{beside(shown, place[0])}:{place[1]}:{place[2]}"
    found = otherwise
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file == path or _is_script_of(file, path):
            found = file, trace.tb_lineno
        trace = trace.tb_next
    if found is None:
        return shown
    return f"{shown if found[0] == path else beside(shown, found[0])}:{found[1]}"


def beside(shown: str, file: str) -> str:
    """A SQL script as it is shown: it stands beside its revision file.

    Args:
        shown: the revision file as it is shown.
        file: the script.

    Example:
        >>> beside("migrations/versions/001_a.py", "/srv/app/migrations/versions/001_a.sql")
        'migrations/versions/001_a.sql'
    """
    return PurePosixPath(shown).with_name(Path(file).name).as_posix()


def line_in_traceback(error: BaseException, path: str) -> int | None:
    """The line of the file at `path`, or of a SQL script that it runs, that an error came through, the deepest one.

    Args:
        error: a caught exception.
        path: the file as its code objects name it.
    """
    line = None
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file == path or _is_script_of(file, path):
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
