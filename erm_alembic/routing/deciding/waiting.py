"""Waiting for a replica that is fresh enough, without holding up a loop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from sqlalchemy.util import await_only

from erm_alembic.routing.instrumentation import Instrumentation
from erm_alembic.routing.positions import Position
from erm_alembic.routing.sqlalchemy_internals import in_greenlet
from erm_alembic.routing.watching.source import StateSource

__all__ = ["in_thread", "wait_for", "wait_until"]

Answer = TypeVar("Answer")
Sought = TypeVar("Sought")

# Between two looks of a task at an event of threads, in seconds.
_LOOK = 0.02
# As many as ask the primary for its position at once, in a process.
_ASKING = 4
_askers: ThreadPoolExecutor | None = None


def wait_for(
    source: StateSource,
    find: Callable[[], Sought | None],
    timeout: float,
    instrumentation: Instrumentation | None = None,
    position: Position | None = None,
) -> Sought | None:
    """What `find` gives once there is news that lets it give something; None when the time is over.

    Args:
        source: has the news, and asks the servers as fast as it can meanwhile.
        find: looks at what is known, and asks nobody.
        timeout: in seconds.
        instrumentation: told how long it took; None where nobody counts.
        position: what replicas have to replay before that; None where it is not known.
    """
    begun = time.monotonic()
    if in_greenlet():
        # Called by an asynchronous session: its task waits, the loop goes on.
        found = await_only(source.wait_in_loop(find, timeout, position))
    else:
        found = source.wait_for(find, timeout, position)
    if instrumentation is not None:
        instrumentation.waited(time.monotonic() - begun, found=found is not None)
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
        await_only(_look_again_and_again(event, timeout))
    else:
        event.wait(timeout)


async def _look_again_and_again(event: threading.Event, timeout: float) -> None:
    """For what happens once in a process: nobody has to be told of tasks that wait for it."""
    ends_at = time.monotonic() + timeout
    while not event.is_set() and time.monotonic() < ends_at:
        await asyncio.sleep(_LOOK)


async def in_thread(ask: Callable[[], Answer]) -> Answer:
    """What a question to the primary gives, asked on a thread; none of those that the application's `to_thread` has.

    Args:
        ask: asks, and waits for the answer.
    """
    global _askers
    if _askers is None:
        _askers = ThreadPoolExecutor(_ASKING, "erm-routing position")
    return await asyncio.get_running_loop().run_in_executor(_askers, copy_context().run, ask)


def _begin_in_child() -> None:
    global _askers
    _askers = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
