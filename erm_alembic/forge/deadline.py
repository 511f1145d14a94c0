"""A limit for a request as a whole: the timeout of a socket begins anew with each byte that comes."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import Any

__all__ = ["Deadline"]


class Deadline:
    """Cuts the connections off on which a request lasts too long.

    Args:
        context: how hosts are verified.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_over = False
        self.handlers = (_Http(self), _Https(self, context))

    @property
    def is_over(self) -> bool:
        """Whether the last request was cut off."""
        return self._is_over

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cut off what is not done when the time is up; the reader then finds the end of the connection.

        Args:
            seconds: for the whole of the block.
        """
        with self._lock:
            self._socket, self._is_over = None, False
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def watch(self, found: socket.socket) -> None:
        """Take a connection for the one of the request that is under way.

        Args:
            found: its socket.
        """
        with self._lock:
            self._socket = found
            if self._is_over:
                self._cut()

    def _end(self) -> None:
        with self._lock:
            self._is_over = True
            self._cut()

    def _cut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class _Watched(http.client.HTTPConnection):
    def __init__(self, deadline: Deadline, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._deadline = deadline

    def connect(self) -> None:
        super().connect()
        self._deadline.watch(self.sock)


class _WatchedTls(http.client.HTTPSConnection):
    def __init__(self, deadline: Deadline, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._deadline = deadline

    def connect(self) -> None:
        super().connect()
        self._deadline.watch(self.sock)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Watched, self._deadline), request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: Deadline, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._deadline, self._verified = deadline, context

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_WatchedTls, self._deadline), request, context=self._verified)
