"""A picture that changes in its place on a terminal, without flicker."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

__all__ = ["WRAPS", "columns_of", "frame", "takes_bars"]

WRAPS = "\x1b[?7h"  # lets the terminal wrap long lines, as it does everywhere else


def frame(shown: str) -> str:
    """A picture in the place of the one before it: what does not fit is cut, so that nothing scrolls.

    Args:
        shown: its lines.
    """
    lines = shown.splitlines()
    height = shutil.get_terminal_size().lines - 1
    if len(lines) > height:
        lines = [*lines[: height - 1], f"... {len(lines) - height + 1} more lines: make the terminal higher"]
    # From the upper left corner, line by line, each to its end; the terminal wraps none of them meanwhile.
    return "\x1b[H\x1b[?7l" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J" + WRAPS


def columns_of(stream: TextIO, otherwise: int) -> int:
    """How wide the terminal is that a stream goes to.

    Args:
        stream: the stream.
        otherwise: what holds where it is no terminal.
    """
    if not stream.isatty():
        return otherwise
    return max(20, shutil.get_terminal_size((otherwise, 24)).columns)


def takes_bars(stream: TextIO) -> bool:
    """Whether a stream can show the bars of a history.

    Args:
        stream: the stream.
    """
    encoding = (stream.encoding or "").lower().replace("-", "")
    return encoding.startswith("utf") and os.environ.get("TERM") != "linux"
