"""The standard files of the process, kept while env.py runs: it may close them for good, and runs more than once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

__all__ = ["standard_files_kept"]

STANDARD = (0, 1, 2)


@contextlib.contextmanager
def standard_files_kept() -> Iterator[None]:
    """Open stdin, stdout and stderr again where they were closed meanwhile.

    Example:
        >>> with standard_files_kept():
        ...     os.close(0)
        >>> os.fstat(0) is not None
        True
    """
    kept = {}
    for number in STANDARD:
        with contextlib.suppress(OSError):  # closed by whoever started erm
            kept[number] = os.dup(number)
    try:
        yield
    finally:
        for number, copy in kept.items():
            try:
                os.fstat(number)
            except OSError:
                os.dup2(copy, number)
            os.close(copy)
