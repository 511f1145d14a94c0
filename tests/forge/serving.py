"""A platform on this machine that speaks documented endpoints only: what is asked otherwise fails the test."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """What it gets; None as a status closes the connection without a word."""

    status: int | None
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


class Violation(Exception):
    """The client did what the documentation does not say."""


@dataclass
class Platform:
    """What a server answers, and what it was asked.

    Args:
        answer: the documented endpoints.
        faults: what the next requests get instead, each after the endpoint was looked at; `done` of a fault says
            whether the request is carried out all the same.
    """

    answer: Callable[[Request], Reply] = lambda request: Reply(404)
    asked: list[Request] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    faults: list[tuple[str, Reply, bool]] = field(default_factory=list)
    url: str = ""

    def fail(self, method: str, reply: Reply, *, done: bool = False, times: int = 1) -> None:
        """Answer the next requests of a method with something else."""
        self.faults += [(method, reply, done)] * times

    def reply(self, request: Request) -> Reply:
        """The answer to a request."""
        self.asked.append(request)
        try:
            for number, (method, reply, done) in enumerate(self.faults):
                if method == request.method:
                    del self.faults[number]
                    if done:
                        self.answer(request)
                    return reply
            return self.answer(request)
        except Violation as violation:
            self.violations.append(f"{request.method} {request.path}: {violation}")
            return Reply(501, {"message": "not documented"})

    def writes(self) -> list[Request]:
        """The requests that change something."""
        return [request for request in self.asked if request.method != "GET"]


def demand(holds: object, what: str) -> None:
    """Hold the client to the documentation."""
    if not holds:
        raise Violation(what)


def page_of(items: list[Any], request: Request) -> tuple[list[Any], int, int]:
    """One page of a list, its number and the number of pages."""
    size, number = int(request.query.get("per_page", "30")), int(request.query.get("page", "1"))
    demand(1 <= size <= 100, "per_page is at most 100")
    return items[(number - 1) * size : number * size], number, max(1, -(-len(items) // size))


@contextmanager
def serving(platform: Platform, tls: ssl.SSLContext | None = None) -> Iterator[Platform]:
    """Serve a platform on a port of this machine, for as long as the block lasts; encrypted where there is a key."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            parts = urlsplit(self.path)
            request = Request(
                method=self.command,
                path=parts.path,
                query={name: values[0] for name, values in parse_qs(parts.query).items()},
                headers={name.lower(): value for name, value in self.headers.items()},
                body=json.loads(content) if content else None,
            )
            reply = platform.reply(request)
            self.close_connection = True
            if reply.status is None:
                return
            body = reply.content if reply.content is not None else json.dumps(reply.document).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    platform.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert platform.violations == []
