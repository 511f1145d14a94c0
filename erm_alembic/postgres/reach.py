"""Whether a server can still be reached, and the end of a connection that nobody answers on any more.

psycopg2 waits for the server inside C, where neither a signal's exception nor a timeout of Python's reaches it. What
reaches it is the end of its socket.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import psycopg2

__all__ = ["answers", "cut_off", "cut_off_after"]

# What libpq asks first where it may use TLS: every server answers it with one letter, whether it has TLS or not.
TLS_REQUEST = struct.pack("!ii", 8, 80877103)


def answers(connection: Any, seconds: float) -> bool:
    """Whether the server of a connection answers to a new connection; over a unix socket it is taken to.

    psycopg2's `cancel()` keeps every other thread of the process waiting until it has its answer: it is called only
    where there will be one.

    Args:
        connection: a psycopg2 connection; it may be busy.
        seconds: how long to wait.
    """
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as end:
            family, address = end.family, end.getpeername()
        if family == getattr(socket, "AF_UNIX", None):
            return True
        with socket.socket(family) as probe:
            probe.settimeout(seconds)
            probe.connect(address)
            probe.sendall(TLS_REQUEST)
            return bool(probe.recv(1))
    except (psycopg2.Error, OSError):
        return False


def cut_off(connection: Any) -> None:
    """End a connection's socket from whichever thread: whoever waits for its server fails at once.

    The server notices when it next reads or writes there; what it runs until then goes on.

    Args:
        connection: a psycopg2 connection.
    """
    with contextlib.suppress(psycopg2.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def cut_off_after(connection: Any, seconds: float) -> Iterator[None]:
    """Cut a connection off when the block has not ended in time.

    Args:
        connection: a psycopg2 connection, which the block waits on.
        seconds: how long the block may take.

    Example:
        with cut_off_after(connection, 10):
            cursor.execute("COMMIT")      # raises psycopg2.OperationalError after ten seconds of silence
    """
    timer = threading.Timer(seconds, cut_off, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
