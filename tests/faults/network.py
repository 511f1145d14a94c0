"""A network that a test can cut, hang and listen to: a TCP proxy in front of a server's unix socket."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Listener = Callable[[bytes, Callable[[], None]], None]
"""Told what a client sends, and given what sends it on to the server."""


class Network:
    """The way between clients and a server.

    Args:
        server: the server's unix socket.
        listener: hears what clients say, and decides when that reaches the server; None sends it on at once.
    """

    def __init__(self, server: Path, listener: Listener | None = None) -> None:
        self._server = server
        self._hear: Listener = listener or (lambda _, send: send())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._up = True
        self._flows = threading.Event()
        self._flows.set()
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, dbname: str, parameters: str = "") -> str:
        """A libpq URI of a database behind this network."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{dbname}{parameters}"

    def cut(self, *, for_good: bool) -> None:
        """Reset every connection; for good means that new ones get nowhere either."""
        self._up = not for_good
        for client, server in self._pairs:
            for end in (client, server):
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._pairs.clear()

    def hang(self) -> None:
        """Let nothing through any more, in either direction, without a word to anybody."""
        self._flows.clear()

    def flow(self) -> None:
        """Let through what hung."""
        self._flows.set()

    def close(self) -> None:
        """Take the network down."""
        self._listener.close()
        self.cut(for_good=True)
        self.flow()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if not self._up:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(str(self._server))
                except OSError:  # the server is down
                    client.close()
                    continue
                self._pairs.append((client, server))
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        with client, server, contextlib.suppress(OSError, ValueError):
            while True:
                for end in select.select(list(other), [], [], 0.2)[0]:
                    data = end.recv(65536)
                    self._flows.wait()
                    if not data:
                        return
                    if end is client:
                        self._hear(data, lambda data=data: server.sendall(data))
                    else:
                        client.sendall(data)


@contextmanager
def network_to(socket_dir: Path, listener: Listener | None = None) -> Iterator[Network]:
    """A network to the server whose socket is in a folder."""
    network = Network(next(socket_dir.glob(".s.PGSQL.*[0-9]")), listener)
    try:
        yield network
    finally:
        network.close()
