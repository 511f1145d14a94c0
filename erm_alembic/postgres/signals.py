"""SIGINT, SIGTERM and SIGHUP cancel the statement under way at once.

psycopg2 waits for the server inside C, where Python's signal handlers do not run. The signal's number is therefore also
written to a pipe, and a thread that reads it asks the server to cancel; the statement then fails, and Python goes on.
Where the network lets nothing through any more, cancelling does not help: then the connection's socket is ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from psycopg2.extensions import TRANSACTION_STATUS_ACTIVE
from sqlalchemy import Pool, event

from erm_alembic.postgres.reach import answers, cut_off

__all__ = ["SignalWatch", "Stopped", "cancel_on_signal", "remember_opened"]

SIGNALS = tuple(
    number for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)) if number is not None
)
CANCEL_AGAIN_SECONDS = 0.1
ANSWER_SECONDS = 2.0
# A server that has not answered to cancelling by then is out of reach: its connections are given up.
UNREACHABLE_SECONDS = 8.0
LONGEST_CANCEL_SECONDS = 2.0


class Stopped(KeyboardInterrupt):
    """A signal arrived: no `except Exception` of a revision may hold it up; where Ctrl-C passes, it passes.

    Args:
        signal_number: which one.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


_watches: list[SignalWatch] = []


def remember_opened(connection: Any) -> None:
    """Cancel what a connection of erm's own runs when a signal arrives, where one is watched for.

    Args:
        connection: a psycopg2 connection that was opened just now.
    """
    for watch in _watches:
        watch.remember_own(connection)


class SignalWatch:
    """Whether a signal arrived while it was watched for."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.count = 0
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._own: weakref.WeakSet[Any] = weakref.WeakSet()
        self._last_resorts: list[Callable[[], None]] = []
        self._heeded = threading.Event()
        self._held = False

    def check(self) -> None:
        """Raise `Stopped` again when a signal arrived: code that swallowed it the first time gets no further."""
        if self.received is not None:
            raise Stopped(self.received)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """For as long as the block lasts a signal is noted only: how a run ended must still be written."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """For as long as the block lasts, within one that holds signals, they are heeded; one that came before is too.

        Raises:
            Stopped: a signal arrived.
        """
        before, self._held = self._held, False
        try:
            self.check()
            yield
        finally:
            self._held = before

    def remember(self, connection: Any, _record: Any = None) -> None:
        """Cancel what this connection runs when a signal arrives; one without `cancel` is run by an event loop."""
        if hasattr(connection, "cancel"):
            self._connections.add(connection)

    def remember_own(self, connection: Any) -> None:
        """The same for another of erm's own: only while it waits, for it may have to write how a run ended."""
        self._own.add(connection)

    def at_last(self, give_up: Callable[[], None]) -> None:
        """Call this too when a signal is not heeded because no server answers; it may come from another thread."""
        self._last_resorts.append(give_up)

    def heed(self, number: int) -> None:
        """Python has seen a signal: the first one raises `Stopped` in the main thread."""
        self.count += 1
        first, self.received = self.received is None, self.received or number
        self._heeded.set()
        if first and not self._held:
            raise Stopped(number)

    def cancel_until_heeded(self) -> None:
        """Cancel, and again: the statement may have been on its way to the server when the first cancel arrived."""
        giving_up = threading.Timer(UNREACHABLE_SECONDS, self._give_up)
        giving_up.daemon = True
        giving_up.start()
        try:
            while not self._held:
                for connection in self._to_cancel():
                    with contextlib.suppress(Exception):
                        if answers(connection, ANSWER_SECONDS):
                            connection.cancel()
                if self._heeded.wait(CANCEL_AGAIN_SECONDS):
                    return
        finally:
            giving_up.cancel()

    def _to_cancel(self) -> Iterator[Any]:
        yield from list(self._connections)
        for connection in list(self._own):
            waits = not connection.closed and connection.info.transaction_status == TRANSACTION_STATUS_ACTIVE
            if waits and not self._heeded.is_set():
                yield connection

    def _give_up(self) -> None:
        """End the connections of statements that cannot be cancelled; a timer calls this in a thread of its own."""
        if not self._held and not self._heeded.is_set():
            for connection in list(self._connections):
                cut_off(connection)
            for give_up in self._last_resorts:
                give_up()


@contextlib.contextmanager
def cancel_on_signal() -> Iterator[SignalWatch]:
    """Cancel what every connection opened through SQLAlchemy runs when a signal arrives, and raise `Stopped`.

    Outside the main thread, where Python takes no signals, this does nothing. Whoever handled the signal before is told
    of it too.

    Raises:
        Stopped: a signal arrived. A block that may swallow it calls `check()` on what it is given.
    """
    watch = SignalWatch()
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return
    event.listen(Pool, "connect", watch.remember)
    _watches.append(watch)
    try:
        with _signals_go_to(watch):
            yield watch
    finally:
        _watches.remove(watch)
        event.remove(Pool, "connect", watch.remember)


@contextlib.contextmanager
def _signals_go_to(watch: SignalWatch) -> Iterator[None]:
    previous: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        if callable(previous[number]):
            with contextlib.suppress(KeyboardInterrupt):
                previous[number](number, frame)
        watch.heed(number)

    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    watcher = threading.Thread(target=_cancel_when_told, args=(read_end, watch), daemon=True)
    previous_fd = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    previous.update({number: signal.getsignal(number) for number in SIGNALS})
    for number in SIGNALS:
        # A process that was started to ignore a signal (nohup) goes on ignoring it.
        if previous[number] is not signal.SIG_IGN:
            signal.signal(number, handle)
    watcher.start()
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous_fd)
        os.close(write_end)
        watcher.join(LONGEST_CANCEL_SECONDS)


def _cancel_when_told(read_end: int, watch: SignalWatch) -> None:
    try:
        while told := os.read(read_end, 1):
            if told[0] in SIGNALS:
                watch.cancel_until_heeded()
    finally:
        os.close(read_end)
