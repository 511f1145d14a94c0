"""A project's code may fork. The child is its own business: it must neither finish erm's work nor speak for erm."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["ends_forked_children"]


@contextlib.contextmanager
def ends_forked_children() -> Iterator[None]:
    """End, at the end of the block, a process that was forked within it; the one that entered it goes on.

    The child shares the connection with its parent: one statement of it, or a farewell, would corrupt the parent's.

    Example:
        >>> with ends_forked_children():
        ...     1 + 1
        2
    """
    entered_by = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != entered_by:
            os._exit(_exit_code(sys.exc_info()[1]))


def _exit_code(error: BaseException | None) -> int:
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        return (error.code or 0) & 0xFF
    return 0 if error is None else 1
