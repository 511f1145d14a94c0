"""Asking several servers the same at once, for people: none of them is waited for longer than for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Generic, TypeVar

import psycopg2

from erm_alembic.routing.watching.probe import Address, Link, words_of

__all__ = ["Inquiry"]

Answer = TypeVar("Answer")

# A name may lead elsewhere after a while, and a server that is asked on an old connection would not tell; in seconds.
_LIFETIME = 60.0


class Inquiry(Generic[Answer]):
    """One question to several servers, over connections of its own that are kept for the next time.

    Kept is what leads where a server's address says now; what nobody asks for any more is closed.

    Args:
        question: gets a cursor in autocommit mode.
        timeout: how long all of them may take together, in seconds.
        application_name: how the sessions are seen in `pg_stat_activity`.

    Example:
        >>> with Inquiry(lambda cursor: cursor.rowcount) as inquiry:
        ...     inquiry.ask({})
        {}
    """

    def __init__(
        self, question: Callable[[Any], Answer], timeout: float = 3.0, application_name: str = "erm routing"
    ) -> None:
        self._question, self._timeout, self._application_name = question, timeout, application_name
        self._servers: dict[str, _Server[Answer]] = {}

    def ask(self, servers: Mapping[str, Address]) -> dict[str, Answer | str]:
        """What each of them answers; where one does not, why, in words without secrets.

        Args:
            servers: by name what gives each one's address.
        """
        ends_at = time.monotonic() + self._timeout
        for name in [name for name, server in self._servers.items() if server.is_of_no_use_for(servers.get(name))]:
            self._servers.pop(name).close()
        for name, address in servers.items():
            server = self._servers.get(name)
            if server is None:
                server = self._servers[name] = _Server(self._question, self._timeout, self._application_name)
            server.ask(address)
        return {name: self._servers[name].answer(ends_at) for name in servers}

    def close(self) -> None:
        """Close the connections."""
        for server in self._servers.values():
            server.close()

    def __enter__(self) -> Inquiry[Answer]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Server(Generic[Answer]):
    """One server: what hangs there is left to a thread that nobody waits for."""

    def __init__(self, question: Callable[[Any], Answer], timeout: float, application_name: str) -> None:
        self._question, self._timeout, self._application_name = question, timeout, application_name
        self._link: Link | None = None
        self._dsn = ""  # where that leads
        self._address: Address | None = None
        # Not the thread's own word: a join that is interrupted lets Python believe that it has ended.
        self._ended: threading.Event | None = None
        self._said: list[Answer | str] = []
        self._over = False

    def is_of_no_use_for(self, address: Address | None) -> bool:
        """Whether there is no address any more, or it still waits for an answer from another one."""
        return address is None or (self._hangs and address != self._address)

    @property
    def _hangs(self) -> bool:
        return self._ended is not None and not self._ended.is_set()

    def ask(self, address: Address) -> None:
        if self._hangs:
            return  # since the last time, and another one would too
        self._address, self._said, self._ended = address, [], threading.Event()
        asked = (address, self._said, self._ended)
        threading.Thread(target=self._run, args=asked, name="erm inquiry", daemon=True).start()

    def answer(self, ends_at: float) -> Answer | str:
        assert self._ended is not None
        self._ended.wait(max(0.0, ends_at - time.monotonic()))
        if self._said:
            return self._said[0]
        if (link := self._link) is not None:
            link.cut()
        return f"it did not answer within {self._timeout:g} s"

    def close(self) -> None:
        self._over = True
        if (link := self._link) is not None:
            if self._hangs:
                link.cut()
            else:
                self._drop()

    def _run(self, address: Address, said: list[Answer | str], ended: threading.Event) -> None:
        dsn = ""
        try:
            dsn = address()
            if self._link is not None and (dsn != self._dsn or time.monotonic() - self._link.opened_at > _LIFETIME):
                self._drop()
            if self._link is not None:
                try:
                    said.append(self._link.run(self._question))
                    return
                except psycopg2.Error:
                    # What was idle may have been ended by anybody: that says nothing of the server.
                    if self._link.cut_off or not self._link.broken:
                        raise
                    self._drop()
            self._link, self._dsn = Link(dsn, self._timeout, self._application_name), dsn
            said.append(self._link.run(self._question))
        except Exception as error:  # whatever a provider of secrets raises
            self._drop()
            said.append(words_of(error, dsn))
        finally:
            if self._over:
                self._drop()
            ended.set()

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()
