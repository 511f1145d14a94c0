"""Closing what a replaced pool still has: at once, when it comes back, or within the loop that it belongs to."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import greenlet_spawn

__all__ = ["close_at_return", "dispose_within"]


def close_at_return(connection: Any, record: ConnectionPoolEntry) -> None:
    """Close a connection that comes back to the pool of an engine that nobody uses any more: for its `checkin`.

    Args:
        connection: the driver's; None where it is closed already.
        record: the pool's entry of it.
    """
    if connection is not None:
        record.invalidate()


def dispose_within(loop: asyncio.AbstractEventLoop | None, engine: Engine) -> None:
    """Replace the pool of an asynchronous engine from outside of its loop, which closes the idle connections.

    Not `AsyncEngine.dispose()`, which replaces the pool after that: what comes back meanwhile would stay open.

    Args:
        loop: the loop that its connections belong to; None where none has been seen.
        engine: the synchronous side of the engine.
    """
    pool = engine.pool
    engine.dispose(close=False)

    def close() -> None:
        task = asyncio.ensure_future(greenlet_spawn(pool.dispose))
        _disposals.add(task)
        task.add_done_callback(_disposals.discard)

    if loop is not None and loop.is_running():
        with contextlib.suppress(RuntimeError):  # the loop is closed, and its connections with it
            loop.call_soon_threadsafe(close)


# A loop keeps only weak references to its tasks.
_disposals: set[asyncio.Task[None]] = set()
