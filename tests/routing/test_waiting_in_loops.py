"""Tasks that wait for a replica take no threads, end in time, and leave nothing behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.util import greenlet_spawn

from erm_alembic.routing import connect_cluster
from erm_alembic.routing.deciding.waiting import wait_for, wait_until
from erm_alembic.routing.positions import Position
from erm_alembic.routing.watching.monitor import Monitor
from erm_alembic.routing.watching.state import ClusterState

MANY = 100
LONG = 60.0


class _Quiet(Monitor):
    """A monitor that asks nobody, and has the news that a test gives it."""

    def __init__(self) -> None:
        super().__init__(lambda: "", {})

    def start(self) -> None:
        pass

    def _hurry(self) -> bool:
        return True

    def publish(self) -> None:
        self._publish(ClusterState())()


class _NoThreads(ThreadPoolExecutor):
    """The pool that an application's own `to_thread` needs: nobody else may take a thread of it."""

    def submit(self, *_arguments: Any, **_options: Any) -> Any:
        raise AssertionError("a thread of the application's was taken")


def _run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(_NoThreads())
        await asyncio.wait_for(scenario(), LONG)

    asyncio.run(main())


async def _settled() -> None:
    """Let every task run until it waits for something."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_any_number_of_tasks_wait_at_once() -> None:
    """All of them look when there is news, and have what is found."""
    monitor, found = _Quiet(), set[str]()

    async def scenario() -> None:
        waits = (greenlet_spawn(wait_for, monitor, lambda: next(iter(found), None), LONG) for _ in range(MANY))
        tasks = [asyncio.create_task(wait) for wait in waits]
        await _settled()
        monitor.publish()
        await _settled()
        assert not any(task.done() for task in tasks)
        found.add("east")
        # As ever, from a thread that is not the loop's.
        thread = threading.Thread(target=monitor.publish)
        thread.start()
        assert await asyncio.gather(*tasks) == ["east"] * MANY
        thread.join()

    _run(scenario)


def test_each_has_its_own_end() -> None:
    """The time runs from the call, whoever else waits; where it is over nothing was found."""
    monitor = _Quiet()

    async def scenario() -> None:
        others = [asyncio.create_task(greenlet_spawn(wait_for, monitor, lambda: None, LONG)) for _ in range(MANY)]
        await _settled()
        assert await greenlet_spawn(wait_for, monitor, lambda: None, 0.01) is None
        assert await greenlet_spawn(wait_for, monitor, lambda: None, 0.0) is None
        assert not any(other.done() for other in others)
        for other in others:
            other.cancel()

    _run(scenario)


def test_whoever_is_cancelled_looks_no_more() -> None:
    """Nobody waits in its name."""
    monitor, looks = _Quiet(), []

    async def scenario() -> None:
        task = asyncio.create_task(greenlet_spawn(wait_for, monitor, lambda: looks.append(1), LONG))
        await _settled()
        monitor.publish()
        await _settled()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        seen = len(looks)
        assert seen
        monitor.publish()
        await _settled()
        assert len(looks) == seen

    _run(scenario)


def test_the_end_of_the_monitor_is_the_end_of_all_waits() -> None:
    """A real one, which reaches nobody: its tasks have nothing to wait for any more, nor has who comes later."""
    nowhere = "postgresql://nobody@/nothing?host=/nonexistent"
    monitor = Monitor(lambda: nowhere, {"east": lambda: nowhere}, interval=0.1, catalogs=False)

    async def scenario() -> None:
        for position in (None, Position(1, 1, 1)):
            task = asyncio.create_task(greenlet_spawn(wait_for, monitor, lambda: None, LONG, None, position))
            await _settled()
            assert monitor.running
            thread = threading.Thread(target=monitor.stop)
            thread.start()
            assert await task is None
            thread.join()

    _run(scenario)


def test_a_task_waits_for_an_event_of_threads() -> None:
    """That of a search, say: until it happens, or the time is over."""
    event = threading.Event()

    async def scenario() -> None:
        await greenlet_spawn(wait_until, event, 0.01)
        waiting = asyncio.create_task(greenlet_spawn(wait_until, event, LONG))
        await _settled()
        assert not waiting.done()
        event.set()
        await waiting

    _run(scenario)


def test_a_token_takes_no_thread_of_the_applications() -> None:
    """Asking the primary for its position is done on threads of our own."""

    async def scenario() -> None:
        with connect_cluster("postgresql://app@db/shop") as cluster:
            async with cluster.async_sessionmaker()() as session:
                assert await session.causal_token() is None

    _run(scenario)
