"""SIGINT, SIGTERM and SIGHUP cancel the statement under way at once.

psycopg2 waits for the server inside C, where Python's signal handlers do not run. The signal's number is therefore also
written to a pipe, and a thread that reads it asks the server to cancel; the statement then fails, and Python goes on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["Stopped", "cancel_on_signal"]

SIGNALS = tuple(
    number for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)) if number is not None
)


class Stopped(BaseException):
    """A signal arrived: no `except Exception` of a revision may hold it up.

    Args:
        signal_number: which one.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class SignalWatch:
    """Whether a signal arrived while it was watched for."""

    received: int | None = None


@contextlib.contextmanager
def cancel_on_signal(connection: Any) -> Iterator[SignalWatch]:
    """Cancel what the connection runs when a signal arrives, and raise `Stopped` in the main thread.

    Outside the main thread, where Python takes no signals, this does nothing.

    Args:
        connection: a psycopg2 connection.
    """
    watch = SignalWatch()
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        first = watch.received is None
        watch.received = watch.received or number
        if first:
            raise Stopped(number)

    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    watcher = threading.Thread(target=_cancel_when_told, args=(read_end, connection), daemon=True)
    previous_fd = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    previous = {number: signal.signal(number, handle) for number in SIGNALS}
    watcher.start()
    try:
        yield watch
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous_fd)
        os.close(write_end)
        watcher.join()
        os.close(read_end)


def _cancel_when_told(read_end: int, connection: Any) -> None:
    while told := os.read(read_end, 1):
        if told[0] in SIGNALS:
            with contextlib.suppress(Exception):
                connection.cancel()
