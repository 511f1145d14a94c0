"""A network of our own between the application and its servers, which can drop, stall and lead elsewhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Network", "Proxy", "network"]

_PIECE = 65536


class Proxy:
    """A port on the loopback that leads to a server's unix socket; made by `Network.proxy`.

    Args:
        loop: the network's loop, in which everything of it runs.
        target: the unix socket that it leads to.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, target: Path) -> None:
        self.port = 0
        self._loop, self._target = loop, target
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def connections(self) -> int:
        """How many connections of clients are open."""
        return len(self._open) // 2

    @property
    def is_cut(self) -> bool:
        """Whether it takes no connections."""
        return self._server is None

    @property
    def is_stalled(self) -> bool:
        """Whether it lets nothing through."""
        return not self._flows.is_set()

    def cut(self) -> None:
        """End all connections at once, and refuse new ones."""
        self._within_loop(self.close())

    def stall(self) -> None:
        """Keep every connection open, accept new ones, and let nothing through: what a lost network looks like."""

        async def stall() -> None:
            self._flows.clear()

        self._within_loop(stall())

    def flow(self, target: Path | None = None) -> None:
        """Let everything through again.

        Args:
            target: the server that new connections lead to from now on; None changes nothing.
        """

        async def flow() -> None:
            self._target = target or self._target
            self._flows.set()
            await self.listen()

        self._within_loop(flow())

    async def listen(self) -> None:
        """Accept connections, within the loop."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End everything, within the loop."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._flows.set()
        for writer in list(self._open):
            writer.transport.abort()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = {writer}
        self._open |= own
        try:
            await self._flows.wait()
            upstream, to_server = await asyncio.open_unix_connection(str(self._target))
            own.add(to_server)
            self._open |= own
            pumps = [
                asyncio.ensure_future(self._pump(reader, to_server)),
                asyncio.ensure_future(self._pump(upstream, writer)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            writer.transport.abort()
        finally:
            self._open -= own
            for each in own:
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._flows.wait()
                piece = await reader.read(_PIECE)
                await self._flows.wait()
                if not piece:
                    return
                writer.write(piece)
                await writer.drain()
        except OSError:
            return

    def _within_loop(self, change: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(change, self._loop).result(10.0)


class Network:
    """The loop of some proxies, on a thread of its own.

    Args:
        loop: that loop, which runs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._made: list[Proxy] = []

    def proxy(self, target: Path) -> Proxy:
        """A new port that leads to a unix socket.

        Args:
            target: its path.
        """
        proxy = Proxy(self._loop, target)
        asyncio.run_coroutine_threadsafe(proxy.listen(), self._loop).result(10.0)
        self._made.append(proxy)
        return proxy

    async def close(self) -> None:
        """End all connections and ports."""
        for proxy in self._made:
            await proxy.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.wait(others, timeout=5.0) if others else None


@contextmanager
def network() -> Iterator[Network]:
    """A network without ports yet; all of it is gone at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="chaos network", daemon=True)
    thread.start()
    made = Network(loop)
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(made.close(), loop).result(10.0)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10.0)
        loop.close()
