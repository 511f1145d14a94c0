"""Servers that listen on unix sockets alone, behind addresses of the loopback network."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Door", "doors"]


@dataclass
class Door:
    """An address that leads to a unix socket.

    Args:
        address: an IPv4 address of this machine.
        port: the TCP port.
        socket_path: where it leads to.
    """

    address: str
    port: int
    socket_path: Path
    passed: int = 0
    _open: list[socket.socket] = field(default_factory=list)

    def begin(self) -> None:
        """Listen; port 0 takes a free one."""
        listener = socket.create_server((self.address, self.port))
        self.port = listener.getsockname()[1]
        self._open.append(listener)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def end(self) -> None:
        """Close everything."""
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.socket_path))
            self.passed += 1
            self._open += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=_carry, args=(source, target), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def doors(*paths: Path) -> Iterator[list[Door]]:
    """One address for each socket, 127.0.0.2 and on, all on one port.

    Raises:
        OSError: this machine has only one address on its loopback network.
    """
    made: list[Door] = []
    try:
        for number, path in enumerate(paths, 2):
            made.append(Door(f"127.0.0.{number}", made[0].port if made else 0, path))
            made[-1].begin()
        yield made
    finally:
        for door in made:
            door.end()
