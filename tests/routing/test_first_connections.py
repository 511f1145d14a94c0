"""Connections that are opened while SQLAlchemy gets to know a server: they wait in a queue that nobody is told of."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from erm_alembic.config.settings import PoolSettings
from erm_alembic.routing.connections.nodes import PrimaryNode
from tests.routing.applications import SYNCHRONOUS
from tests.routing.servers import PATIENCE, Servers, until

NAME = "first connections"
OURS = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
WHO = sa.text("SELECT pg_backend_pid()")
QUEUED = 3


def primary_of(servers: Servers, driver: str) -> PrimaryNode:
    """A primary whose engine was never connected."""
    url = servers.primary.url(application_name=NAME).replace("postgresql://", f"postgresql+{driver}://")
    return PrimaryNode(url, PoolSettings(), {})


def opened(servers: Servers) -> set[int]:
    """The server's processes of all connections, also of those that nobody was told of."""
    return {pid for (pid,) in servers.primary.execute(OURS, NAME)}


class _Queue:
    """Threads that connect at once; whoever is first is held, so that the others wait for it."""

    def __init__(self, servers: Servers, node: PrimaryNode) -> None:
        self._servers = servers
        self._go_on = threading.Event()
        # Of each the process that answered it; None where it got an error.
        self.answers: list[int | None] = []
        self._engine = node.engine()
        event.listen(self._engine, "connect", self._hold)
        self._threads = [threading.Thread(target=self._connect, daemon=True) for _ in range(QUEUED)]

    def fill(self) -> None:
        """Let all of them connect."""
        for thread in self._threads:
            thread.start()
        until(lambda: len(opened(self._servers)) == QUEUED)

    def let_go(self) -> None:
        """Let the first go on, and wait for all."""
        self._go_on.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert len(self.answers) == QUEUED

    def _hold(self, *_: Any) -> None:
        self._go_on.wait(PATIENCE)

    def _connect(self) -> None:
        try:
            with self._engine.connect() as connection:
                self.answers.append(connection.scalar(WHO))
        except sa.exc.DBAPIError:
            self.answers.append(None)


@pytest.mark.parametrize("said", ["opened_before", "taken_before"])
@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_whoever_queues_for_a_former_primary_is_let_go(driver: str, said: str, newest_servers: Servers) -> None:
    """One after the other would hang there otherwise, each for as long as it stands still."""
    node = primary_of(newest_servers, driver)
    queue = _Queue(newest_servers, node)
    queue.fill()
    former = opened(newest_servers)
    node.open_connections.terminate(**{said: time.monotonic()})
    queue.let_go()
    assert not former & set(queue.answers)
    with node.engine().connect() as connection:  # what is opened later is another matter
        assert connection.scalar(WHO) in opened(newest_servers)
    node.engine().dispose()
    until(lambda: not opened(newest_servers))


@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_what_queued_while_a_pool_was_replaced_is_closed_later(driver: str, newest_servers: Servers) -> None:
    """It would stay open in a pool that nobody has."""
    node = primary_of(newest_servers, driver)
    queue = _Queue(newest_servers, node)
    queue.fill()
    node.renew(close=True)
    queue.let_go()
    assert all(queue.answers)
    until(lambda: not opened(newest_servers))


def test_the_same_holds_for_tasks(newest_servers: Servers) -> None:
    """Whose connections nobody but their loop can close."""
    node = primary_of(newest_servers, "asyncpg")

    async def run() -> set[int]:
        engine, go_on = node.engine(asynchronous=True), asyncio.Event()
        event.listen(engine, "connect", lambda *_: await_only(go_on.wait()))

        async def connect() -> None:
            async with AsyncEngine(engine).connect() as connection:
                await connection.execute(WHO)

        tasks = [asyncio.ensure_future(connect()) for _ in range(QUEUED)]
        while len(await asyncio.to_thread(opened, newest_servers)) < QUEUED:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(node.renew, close=True)
        go_on.set()
        await asyncio.gather(*tasks)
        await node.aclose()
        # The loop is still there, and closes nothing any more by its own end.
        ends_at = time.monotonic() + PATIENCE
        while (left := await asyncio.to_thread(opened, newest_servers)) and time.monotonic() < ends_at:
            await asyncio.sleep(0.01)
        return left

    assert asyncio.run(run()) == set()
