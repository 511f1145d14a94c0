"""Asks a discovery again and again, on a thread of its own beside the monitor's, and keeps what it found last."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.routing.discovery.found import Discovery, DiscoveryFailed, Found

__all__ = ["Search"]

_log = logging.getLogger("erm_alembic.routing")

# Between searches that are wanted at once, in seconds, and between those that fail, at first.
_EAGER = 0.25
# After a fault that says nothing of how long to pause, in seconds.
_AFTER_A_FAULT = 10.0
# A thread and a pool of connections each: a mistaken answer must not make thousands.
_MOST = 64


class Search:
    """One thread, between a monitor's start and its end.

    Args:
        discovery: what it asks.
        primary: the address that the cluster was given.
        take: told of everything that is found.
    """

    def __init__(self, discovery: Discovery, primary: DatabaseUrl, take: Callable[[Found], None]) -> None:
        self._discovery = discovery
        self._primary = primary
        self._take = take
        self._changed = threading.Condition()
        self._stopping = self._hurried = False
        self._known_at: float | None = None
        self._known = 0
        self._failures = 0
        # Why the last search found nobody, in words without secrets; empty where it did not fail.
        self.problem = ""
        self._cut = 0
        # Set once the first search is over, whatever came of it.
        self.searched = threading.Event()
        # The same, but that what was found is taken over too: who waits for the primary's address waits no longer.
        self.has_searched = False
        self._thread = threading.Thread(target=self._run, name="erm-routing discovery", daemon=True)

    def start(self) -> None:
        """Begin to search."""
        self._thread.start()

    def end(self) -> None:
        """Tell the thread to end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self, timeout: float) -> None:
        """Wait for the thread, but not for one that hangs in a search."""
        if self._thread is not threading.current_thread() and self._thread.ident is not None:
            self._thread.join(timeout)

    def hurry(self) -> None:
        """Search soon: the primary is not where it was."""
        if not self._discovery.finds_primary:
            return
        with self._changed:
            self._hurried = True
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._stopping:
            begun_at = time.monotonic()
            try:
                pause = self._search()
            except Exception as error:  # what a discovery says of itself is another's code too
                _log.warning("a search for replicas failed: %s", type(error).__name__)
                pause = _AFTER_A_FAULT
            self.has_searched = True
            self.searched.set()
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, max(0.0, begun_at + _EAGER - time.monotonic()))
                rest = begun_at + pause * random.uniform(0.8, 1.2) - time.monotonic()
                self._changed.wait_for(lambda: self._stopping or self._hurried, max(0.0, rest))
                self._hurried = False

    def _search(self) -> float:
        """Search once; how long to pause then, in seconds."""
        interval = self._discovery.search_interval
        try:
            found = self._discovery.find(self._primary)
        except Exception as error:  # whatever another's discovery raises: the thread goes on
            self._has_failed(error)
            return min(interval, _EAGER * float(2 ** min(self._failures, 16)))
        if self.problem:
            _log.info("the replicas can be discovered again")
        self._failures, self.problem, self._known_at = 0, "", time.monotonic()
        self._tell(self._bounded(found))
        return interval

    def _has_failed(self, error: Exception) -> None:
        self._failures += 1
        # What another's discovery says may hold anything.
        problem = str(error) if isinstance(error, DiscoveryFailed) else type(error).__name__
        if not self.problem:
            kept = f"the {self._known} that are known are kept for {self._discovery.kept_for:g} s"
            _log.warning("the replicas cannot be discovered; %s: %s", kept if self._known else "none is known", problem)
        self.problem = problem
        if self._known and self._known_at is not None:
            age = time.monotonic() - self._known_at
            if age > self._discovery.kept_for:
                _log.warning("the replicas could not be discovered for %.0f s, and are not used any more", age)
                self._tell(Found())

    def _bounded(self, found: Found) -> Found:
        replicas = found.replicas[:_MOST]
        cut = len(found.replicas) - len(replicas)
        if cut and not self._cut:
            _log.warning("%d replicas were discovered; only %d of them are used", len(found.replicas), _MOST)
        self._cut = cut
        return Found(replicas, found.primary)

    def _tell(self, found: Found) -> None:
        if self._stopping:
            return
        self._known = len(found.replicas)
        try:
            self._take(found)
        except Exception:  # one fault is not the end of all searches
            _log.exception("what was discovered cannot be taken over")
