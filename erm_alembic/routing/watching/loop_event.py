"""A task's wait for news that threads have, which takes no thread and ends in time."""

from __future__ import annotations

import asyncio
import contextlib

__all__ = ["LoopEvent"]


class LoopEvent:
    """Something that a task waits for again and again, until its time is over.

    Args:
        loop: the loop that the task runs in.
        timeout: how long it waits in all, in seconds from now.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        self._loop = loop
        self._event = asyncio.Event()
        self._timer = loop.call_later(timeout, self._time_is_over)
        self.is_over = False

    def wake(self) -> None:
        """Tell the task, from any thread, that there is news."""
        with contextlib.suppress(RuntimeError):  # a loop that was closed has no task that waits
            self._loop.call_soon_threadsafe(self._event.set)

    def forget(self) -> None:
        """Wait for what comes from now on."""
        self._event.clear()

    async def wait(self) -> None:
        """Wait for news, or the end of the time."""
        if not self.is_over:
            await self._event.wait()

    def end(self) -> None:
        """Let go of the timer."""
        self._timer.cancel()

    def _time_is_over(self) -> None:
        self.is_over = True
        self._event.set()
