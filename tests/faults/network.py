"""A network that a test can cut: a TCP proxy in front of a server's unix socket."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Network:
    """The way between clients and a server.

    Args:
        server: the server's unix socket.
    """

    def __init__(self, server: Path) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._up = True
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

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

    def close(self) -> None:
        """Take the network down."""
        self._listener.close()
        self.cut(for_good=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if not self._up:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                self._pairs.append((client, server))
                threading.Thread(target=_forward, args=(client, server), daemon=True).start()


def _forward(client: socket.socket, server: socket.socket) -> None:
    other = {client: server, server: client}
    with contextlib.suppress(OSError, ValueError):
        while True:
            for end in select.select(list(other), [], [], 0.2)[0]:
                data = end.recv(65536)
                if not data:
                    client.close()
                    server.close()
                    return
                other[end].sendall(data)


@contextmanager
def network_to(socket_dir: Path) -> Iterator[Network]:
    """A network to the server whose socket is in a folder."""
    network = Network(next(socket_dir.glob(".s.PGSQL.*[0-9]")))
    try:
        yield network
    finally:
        network.close()
