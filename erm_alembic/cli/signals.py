"""How commands that only look end at a signal: at the first in order, at the next one at once, never by a traceback."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["leave_at_next_signal", "leave_in_peace"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Leave:
    """A handler that ends the process where it stands, with the exit code of the signal.

    Args:
        last: what the terminal is told before.
    """

    def __init__(self, last: bytes) -> None:
        self._last = last

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self._last:
            os.write(1, self._last)
        os._exit(128 + number)


def leave_at_next_signal(last: str = "") -> None:
    """Let a signal do what it did, and one that comes after it end the process at once: there is nothing to undo.

    Args:
        last: what the terminal is told before.
    """
    leave = _Leave(last.encode())
    for number in _SIGNALS:
        former = signal.getsignal(number)
        if callable(former):  # one that is ignored stays so
            signal.signal(number, _once(former, leave))


def _once(first: Callable[[int, FrameType | None], Any], leave: _Leave) -> Callable[[int, FrameType | None], None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, leave)
        first(number, frame)

    return interrupt


def leave_in_peace() -> None:
    """Let no signal disturb the interpreter's own end once one has ended the command."""
    for number in _SIGNALS:
        if isinstance(signal.getsignal(number), _Leave):
            signal.signal(number, signal.SIG_IGN)
