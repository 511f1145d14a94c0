"""Answers that come too slowly, break off, or are something else: told in words, within a bounded time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from erm_alembic.errors import ForgeError
from erm_alembic.forge.http import Answer, Api

LIMIT = 0.3


@contextmanager
def speaking(speak: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that says to each client what it is told to, until the block ends; its address."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while not over.is_set():
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    try:
                        client.recv(65536)
                        speak(client, over)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def drips(text: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Says the beginning at once, and then the text again and again."""

    def speak(client: socket.socket, over: threading.Event) -> None:
        client.sendall(b"HTTP/1.1 " + (b"" if text.startswith(b"HTTP") else b"200 OK\r\n"))
        while not over.wait(0.02):
            client.sendall(text)

    return speak


@pytest.mark.parametrize(
    "speak",
    [
        drips(b"X-More: yes\r\n"),
        drips(b"HTTP/1.1 100 Continue\r\n\r\n"),
        lambda client, over: (client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n["), over.wait())[0],
    ],
    ids=["headers without end", "interim answers without end", "a body that stops"],
)
def test_an_answer_that_does_not_end_is_cut_off(speak: Callable[[socket.socket, threading.Event], None]) -> None:
    """However it is drawn out, a request has one limit, which a few bytes now and then do not extend."""
    pauses: list[float] = []
    with speaking(speak) as address:
        api = Api(address, {}, longest=LIMIT, pause=pauses.append)
        with pytest.raises(ForgeError, match=r"does not answer as it should"):
            api.send("GET", "/user")
        assert len(pauses) == 3


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one() -> None:
    """An empty list of comments is another thing than the first two bytes of a long one."""
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n[]"
    with speaking(lambda client, over: client.sendall(short)) as address:
        api = Api(address, {}, pause=lambda seconds: None)
        with pytest.raises(ForgeError, match=r"does not answer as it should: IncompleteRead"):
            api.send("GET", "/comments")


@pytest.mark.parametrize("content", [b"[" * 200_000, b"<html>", b"\xff"])
def test_what_is_no_json_is_told(content: bytes) -> None:
    """Also what no reader can follow, however deep it goes."""
    with pytest.raises(ForgeError, match="answered with something that is not JSON"):
        Answer(200, {}, content, "https://api.example/x").json()
