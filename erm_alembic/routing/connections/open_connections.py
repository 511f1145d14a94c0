"""The connections of a server's engines, so that whoever waits on one that leads nowhere any more can be let go.

A server that stands still, or is behind a network that lost its packets, keeps a statement waiting for hours: nothing
tells the driver. The monitor finds out within seconds, on connections of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["OpenConnections", "only_reads", "tell_of"]

# Under which a pool's entry knows what is known of its connection; SQLAlchemy forgets it together with the connection.
_KEY = "erm_open_connection"


class _OpenConnection:
    """One connection.

    Args:
        entry: the pool's, which holds it.
        opened_at: when that began to open it, by `time.monotonic()`.
        end: ends what it waits for, from any thread.
    """

    def __init__(self, entry: ConnectionPoolEntry, opened_at: float, end: Callable[[], None]) -> None:
        self.opened_at = self.taken_at = opened_at
        self._is_new, self.expired = True, False
        self.only_reads = True  # whether what is sent by it is known to change nothing; also the pool's own questions
        self._entry = weakref.ref(entry)
        self.end = end

    @property
    def in_use(self) -> bool:
        """Whether somebody may wait on it.

        Until it is first given back, its maker does: drivers and dialects ask a new connection this and that. Later the
        pool's word counts: who takes it waits before any listener is told, where the pool tries what it hands out.
        """
        entry = self._entry()
        return self._is_new or (entry is not None and entry.in_use)

    def was_given_back(self) -> None:
        self._is_new, self.only_reads = False, True


class OpenConnections:
    """The open connections of one server's engines.

    Of one that is being opened nobody knows yet, and it may stay so for long: SQLAlchemy asks the first connection of
    an engine this and that, and lets those that are opened meanwhile wait before any listener is told of them. So what
    was said of all that lead to a former server holds for one that turns up later, and was begun before.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[_OpenConnection] = weakref.WeakSet()
        # Those begun before these moments, by `time.monotonic()`, are let go, or closed when they come back.
        self._terminated_before = self._expired_before = float("-inf")

    def watch(self, engine: Engine) -> None:
        """Know the connections of an engine from now on.

        Args:
            engine: one that was just made, synchronous or within an asynchronous one.
        """
        event.listen(engine, "connect", self._opened, insert=True)
        # Before those who try a connection that was idle.
        event.listen(engine, "checkout", _taken, insert=True)
        event.listen(engine, "checkout", _handed_out)
        event.listen(engine, "checkin", _given_back)

    def terminate(
        self, *, opened_before: float = float("inf"), taken_before: float = float("inf"), only_reads: bool = False
    ) -> int:
        """Let whoever waits on a connection that is in use get an error; how many connections those were.

        Args:
            opened_before: spares those opened later, by `time.monotonic()`.
            taken_before: spares those that somebody took later.
            only_reads: spares those by which something may be written.
        """
        former = min(opened_before, taken_before)
        with self._lock:
            if math.isfinite(former):
                self._terminated_before = max(self._terminated_before, former)
        used = [known for known in self._all() if known.in_use and (known.only_reads or not only_reads)]
        meant = [known for known in used if known.opened_at < opened_before and known.taken_at < taken_before]
        for known in meant:
            known.end()
        return len(meant)

    def expire(self) -> None:
        """Have all connections of now closed when they come back, also those that somebody takes meanwhile."""
        with self._lock:
            self._expired_before = time.monotonic()
        for known in self._all():
            known.expired = True

    def forget(self) -> None:
        """Know none of them any more: in a forked child they are the parent's."""
        self._lock = threading.Lock()
        self._open = weakref.WeakSet()
        self._terminated_before = self._expired_before = float("-inf")

    def _all(self) -> list[_OpenConnection]:
        with self._lock:
            return list(self._open)

    def _opened(self, connection: Any, entry: ConnectionPoolEntry) -> None:
        driver = getattr(connection, "driver_connection", connection)
        end = _terminator(driver) if hasattr(driver, "terminate") else _Handle(driver.fileno()).shut
        known = _OpenConnection(entry, _begun_at(entry), end)
        entry.info[_KEY] = known
        with self._lock:
            self._open.add(known)
            known.expired = known.opened_at < self._expired_before
            is_terminated = known.opened_at < self._terminated_before
        if is_terminated:
            known.end()


def _begun_at(entry: ConnectionPoolEntry) -> float:
    """When a pool began to open a connection, by `time.monotonic()`: it notes that by the clock of the day."""
    age: float = time.time() - getattr(entry, "starttime", time.time())
    return time.monotonic() - max(0.0, age)


def _taken(_connection: Any, entry: ConnectionPoolEntry, _fairy: Any) -> None:
    known = entry.info.get(_KEY)
    if known is not None:
        known.taken_at = time.monotonic()


def _handed_out(_connection: Any, entry: ConnectionPoolEntry, _fairy: Any) -> None:
    known = entry.info.get(_KEY)
    if known is not None:
        known.only_reads = False


def tell_of(connection: Connection, *, only_reads: bool) -> None:
    """Say of a connection that somebody has whether all that is sent by it is known to change nothing.

    Args:
        connection: a session's.
        only_reads: whether it is.
    """
    known = None if connection.closed or connection.invalidated else connection.info.get(_KEY)
    if known is not None:
        known.only_reads = only_reads


def only_reads(connection: Connection) -> bool:
    """Whether all that is sent by a connection that somebody has is known to change nothing.

    Args:
        connection: one of a server's engine.
    """
    if connection.closed or connection.invalidated:
        return False
    known = connection.info.get(_KEY)
    return known is not None and bool(known.only_reads)


def _given_back(connection: Any, entry: ConnectionPoolEntry) -> None:
    known = entry.info.get(_KEY)
    if known is None:
        return
    known.was_given_back()
    if known.expired and connection is not None:
        entry.invalidate()


class _Handle:
    """A socket of our own on a connection: its number is nobody else's while it is open.

    Args:
        number: the connection's own.
    """

    def __init__(self, number: int) -> None:
        self._socket = socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM)

    def shut(self) -> None:
        """End both directions, whoever reads or writes."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __del__(self) -> None:
        self._socket.close()


def _terminator(driver: Any) -> Callable[[], None]:
    """Ends a connection of asyncpg's, which wants that done within its loop."""
    loop, connection = asyncio.get_running_loop(), weakref.ref(driver)

    def terminate() -> None:
        if (alive := connection()) is not None:
            alive.terminate()

    def end() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and its connections with it
            loop.call_soon_threadsafe(terminate)

    return end
