"""Waiting for a replica that is fresh enough, without holding up a loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.util import await_only

from erm_alembic.routing.monitor import Monitor
from erm_alembic.routing.observer import Observer
from erm_alembic.routing.positions import Position
from erm_alembic.routing.sqlalchemy_internals import in_greenlet

__all__ = ["wait_for", "wait_until"]

Found = TypeVar("Found")


def wait_for(
    monitor: Monitor,
    find: Callable[[], Found | None],
    timeout: float,
    observer: Observer | None = None,
    position: Position | None = None,
) -> Found | None:
    """What `find` gives once the monitor has news that let it give something; None when the time is over.

    Args:
        monitor: is waited for, and asks the servers as fast as it can meanwhile.
        find: looks at what is known, and asks nobody.
        timeout: in seconds.
        observer: told how long it took; None where nobody counts.
        position: what replicas have to replay before that; None where it is not known.
    """
    begun = time.monotonic()
    if in_greenlet():
        # Called by an asynchronous session: a thread waits, the loop goes on.
        found = await_only(asyncio.to_thread(lambda: monitor.wait_for(find, timeout, position)))
    else:
        found = monitor.wait_for(find, timeout, position)
    if observer is not None:
        observer.waited(time.monotonic() - begun, found=found is not None)
    return found


def wait_until(event: threading.Event, timeout: float) -> None:
    """Wait for an event, or the end of the time.

    Args:
        event: is waited for.
        timeout: in seconds.
    """
    if event.is_set():
        return
    if in_greenlet():
        await_only(asyncio.to_thread(event.wait, timeout))
    else:
        event.wait(timeout)
