"""Connections to the primary for questions that callers ask on their own threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg2

from erm_alembic.errors import TargetError
from erm_alembic.postgres.replication import ServerSample
from erm_alembic.routing.watching.probe import Address, Link, words_of

__all__ = ["LinkPool"]


class LinkPool:
    """Links to the primary for callers who ask on their own threads, several at once.

    Args:
        address: gives the primary's address at each new connection.
        timeout: how long it may take to answer, in seconds.
        is_watched: whether somebody cuts off what is `overdue`; while nobody does, a thread of its own does that.
    """

    _KEPT = 4

    def __init__(self, address: Address, timeout: float, is_watched: Callable[[], bool] = lambda: False) -> None:
        self._address = address
        self._timeout, self._is_watched = timeout, is_watched
        self._lock = threading.Lock()
        self._spare: list[Link] = []
        self._lent: set[Link] = set()

    def ask(self, question: Callable[[Link], ServerSample]) -> ServerSample:
        """Ask the primary; on another connection where one that was idle has gone.

        Raises:
            TargetError: it cannot be reached, or is none.
        """
        while True:
            dsn = ""
            link = self._taken()
            fresh = link is None
            try:
                if link is None:
                    dsn = self._address()
                    link = Link(dsn, self._timeout)
                    with self._lock:
                        self._lent.add(link)
                sample = question(link) if self._is_watched() else self._cutting_off(link, question)
            except Exception as error:
                self._end(link)
                cut_off = link is not None and link.cut_off
                if fresh or cut_off or not isinstance(error, psycopg2.Error):
                    why = f"it did not answer within {self._timeout:g} s" if cut_off else words_of(error, dsn)
                    raise TargetError(
                        f"The primary cannot be asked for its position: {why}.",
                        effect="No token can be given for what was committed.",
                        cure="Try again when the primary can be reached.",
                    ) from None
                continue
            if sample.in_recovery:
                self._end(link)
            else:
                self._give_back(link)
            return sample

    def overdue(self, now: float) -> list[Link]:
        """The links on which an answer is overdue.

        Args:
            now: this moment, by `time.monotonic()`.
        """
        with self._lock:
            lent = list(self._lent)
        # Looked at once each: an answer may come meanwhile.
        return [link for link in lent if (ends_at := link.ends_at) is not None and ends_at < now]

    def close(self) -> None:
        """Close the links that nobody uses."""
        with self._lock:
            spare, self._spare = self._spare, []
        for link in spare:
            link.close()

    def abandon(self) -> None:
        """Forget all links: in a forked child they are the parent's."""
        self._lock = threading.Lock()
        for link in (*self._spare, *self._lent):
            link.abandon()
        self._spare, self._lent = [], set()

    def _cutting_off(self, link: Link, question: Callable[[Link], ServerSample]) -> ServerSample:
        """What a question gives; its link is cut off where no answer comes in time."""

        answered = threading.Event()

        def watch() -> None:
            while not answered.wait(self._timeout / 4):
                if (ends_at := link.ends_at) is not None and ends_at < time.monotonic():
                    link.cut()

        threading.Thread(target=watch, name="erm-routing patience position", daemon=True).start()
        try:
            return question(link)
        finally:
            answered.set()

    def _taken(self) -> Link | None:
        with self._lock:
            if not self._spare:
                return None
            link = self._spare.pop()
            self._lent.add(link)
            return link

    def _give_back(self, link: Link) -> None:
        with self._lock:
            self._lent.discard(link)
            if len(self._spare) < self._KEPT and not link.broken:
                self._spare.append(link)
                return
        link.close()

    def _end(self, link: Link | None) -> None:
        if link is not None:
            with self._lock:
                self._lent.discard(link)
            link.close()
