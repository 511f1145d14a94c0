"""Watches a cluster's servers in the background, and publishes what is known of them as one value.

Whoever routes reads `Monitor.state`: no lock, no input or output. How old a replica's answers may be follows from
positions in the log and this process's own clock, never from the clock of a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from erm_alembic.errors import TargetError
from erm_alembic.postgres.volatility import Volatility
from erm_alembic.routing.discovery.search import Search
from erm_alembic.routing.forking import begins_in_child
from erm_alembic.routing.positions import Position
from erm_alembic.routing.watching.changes import Change, changes_between
from erm_alembic.routing.watching.link_pool import LinkPool
from erm_alembic.routing.watching.loop_event import LoopEvent
from erm_alembic.routing.watching.picture import position
from erm_alembic.routing.watching.polling import Polling
from erm_alembic.routing.watching.probe import Address, PollControl
from erm_alembic.routing.watching.questions import HeartbeatTable, ask_position
from erm_alembic.routing.watching.state import UNKNOWN, ClusterState

__all__ = ["Change", "HeartbeatTable", "Monitor"]

Answer = TypeVar("Answer")
News = TypeVar("News")

_log = logging.getLogger("erm_alembic.routing")


class Monitor:
    """Asks the servers of a cluster how far they are, from one process, whatever its number of sessions.

    Nothing happens before `start()`. A forked child knows nothing, and begins anew when it is started there.

    Args:
        primary: gives the primary's address, as libpq takes it, at each new connection.
        replicas: the same for each replica, by name. What is known of a replica is known of the server that the monitor
            has reached by its address, which its state tells by when that was started.
        interval: how often each is asked, in seconds, give or take a fifth.
        timeout: how long a server may take to answer before it counts as unreachable, in seconds.
        on_change: told of every change, from a thread of the monitor's.
        on_volatility: given what the primary's catalogs say of its functions, when it was read.
        heartbeat: a table to measure replicas by that do not state their position; None writes nothing anywhere.
        catalogs: whether the primary's catalogs are read for `volatility`, at the start and every ten minutes.
        search: makes what looks for replicas while the monitor runs; None where nobody does.

    Example:
        >>> monitor = Monitor(lambda: "postgresql://app@db/shop", {"east": lambda: "postgresql://app@east/shop"})
        >>> monitor.state.taken_at, monitor.running
        (None, False)
    """

    def __init__(
        self,
        primary: Address,
        replicas: Mapping[str, Address],
        *,
        interval: float = 1.0,
        timeout: float = 2.0,
        on_change: Callable[[Change], None] | None = None,
        on_volatility: Callable[[Volatility], None] | None = None,
        heartbeat: HeartbeatTable | None = None,
        catalogs: bool = True,
        search: Callable[[], Search] | None = None,
    ) -> None:
        self.state: ClusterState = UNKNOWN
        self.volatility: Volatility | None = None
        self._primary = primary
        self._replicas = dict(replicas)
        self.interval = interval
        self._timeout = timeout
        self._on_change = on_change
        self._on_volatility = on_volatility
        self.heartbeat = heartbeat
        self._catalogs = catalogs
        self._search = search
        self._lock = threading.Lock()
        self._links = LinkPool(primary, timeout, lambda: self.running)
        self._polling: Polling | None = None
        self._closed = False
        # Called whenever there is news, by whichever thread has it: they do not block.
        self._listeners: set[Callable[[], None]] = set()
        begins_in_child(self)

    @property
    def running(self) -> bool:
        """Whether its threads run."""
        return (polling := self._polling) is not None and not polling.over

    def start(self) -> None:
        """Start watching; where that is done already, nothing but one look.

        Raises:
            RuntimeError: the system gives no more threads. None is left running, and the next call tries again.
        """
        if self._closed or ((polling := self._polling) is not None and not polling.over):
            return
        with self._lock:
            if not self._closed and ((former := self._polling) is None or former.over):
                if former is not None:
                    former.end()
                polling = self._polling = Polling(
                    self._primary,
                    self._replicas,
                    PollControl(self.interval, self._timeout),
                    self._links,
                    publish=self._publish,
                    learn=self._learn if self._catalogs else None,
                    heartbeat=self.heartbeat,
                    search=None if self._search is None else self._search(),
                )
                try:
                    polling.start()
                except BaseException:
                    self._polling = None
                    polling.end()
                    self.state = UNKNOWN
                    raise

    def stop(self) -> None:
        """Stop watching, and close the connections; nothing is known any more."""
        with self._lock:
            polling, self._polling = self._polling, None
            if polling is not None:
                polling.end()
            self.state = UNKNOWN
        self._wake()
        if polling is not None:
            polling.join()
        self._links.close()

    def close(self) -> None:
        """Stop for good: `start()` does nothing any more, whoever still calls it."""
        self._closed = True
        self.stop()

    @property
    def search(self) -> Search | None:
        """What looks for replicas now; None where nobody does."""
        return None if self._polling is None else self._polling.search

    def follow(self, replicas: Mapping[str, Address]) -> None:
        """Probe these replicas from now on; those that are not among them are forgotten.

        Args:
            replicas: gives the address of each, by name; the same function stands for the same server.
        """
        with self._lock:
            self._replicas = dict(replicas)
            polling = self._polling
        if polling is not None:
            polling.follow(replicas)

    def primary_moved(self) -> None:
        """Leave the connections to where the primary was."""
        self._links.close()
        if (polling := self._polling) is not None:
            polling.primary_moved()

    def refresh(self, timeout: float = 5.0) -> ClusterState:
        """What is known after every server was asked once more; one that cannot be reached is not waited for.

        Args:
            timeout: how long to wait, in seconds.
        """
        self.start()
        if (polling := self._polling) is not None:
            polling.refreshed(time.monotonic() + timeout)
        return self.state

    def wait_for(
        self, find: Callable[[], Answer | None], timeout: float, position: Position | None = None
    ) -> Answer | None:
        """Wait until something can be found in what is known, asking the servers again and again meanwhile.

        Args:
            find: looks at `state`, and asks nobody; anything true ends the wait. Called whenever there is news.
            timeout: how long to wait, in seconds.
            position: what replicas have to replay before that can be found: those that can are made to wait for it.

        Returns:
            What it found; None when the time is over, or the monitor was stopped.
        """
        if found := find():
            return found
        self.start()
        polling = self._polling
        if polling is None:
            return None
        ends_at = time.monotonic() + timeout
        if position is None:
            return polling.wait(find, ends_at)
        return polling.wait_for_position(position.lsn, find, ends_at)

    async def wait_in_loop(
        self, find: Callable[[], Answer | None], timeout: float, position: Position | None = None
    ) -> Answer | None:
        """The same as `wait_for` for asyncio: no thread waits, and whoever is cancelled leaves nothing behind.

        Args:
            find: looks at `state`, and asks nobody; anything true ends the wait. Called in the loop.
            timeout: how long to wait, in seconds.
            position: what replicas have to replay before that can be found.
        """
        if found := find():
            return found
        news = LoopEvent(asyncio.get_running_loop(), timeout)
        self.start()
        polling = self._polling
        with contextlib.nullcontext() if position is None or polling is None else polling.awaiting(position.lsn):
            self._listeners.add(news.wake)
            try:
                while True:
                    news.forget()
                    if found := find():
                        return found
                    if news.is_over or not self._hurry():
                        return None
                    await news.wait()
            finally:
                self._listeners.discard(news.wake)
                news.end()

    def read_catalogs(self) -> None:
        """Have the primary's functions looked at again soon, as after a migration."""
        self.start()
        if (polling := self._polling) is not None:
            polling.read_catalogs()

    def primary_position(self) -> Position:
        """How far the primary has written at this moment, after all that was committed before the call.

        Asked on the caller's thread, over a connection of the monitor's.

        Raises:
            TargetError: the primary cannot be reached, is none, or does not say.
        """
        asked_at = time.monotonic()
        sample = self._links.ask(ask_position)
        lsn = position(sample)
        if sample.system is None or sample.timeline is None or lsn is None:
            raise TargetError(
                "The primary is in recovery: it is a standby."
                if sample.in_recovery
                else "The primary does not say its position, its timeline or its cluster to this role.",
                effect="No token can be given for what was committed.",
                cure="Name the primary's address; grant the role EXECUTE on pg_control_system().",
            )
        if (polling := self._polling) is not None:
            polling.note_primary(sample, asked_at, time.monotonic())
        return Position(sample.system, sample.timeline, lsn)

    def _publish(self, state: ClusterState) -> Callable[[], None]:
        """Let everybody see a state; what is returned tells what changed, and is called without a lock."""
        before, self.state = self.state, state
        self._wake()
        changes = tuple(changes_between(before, state, time.monotonic()))

        def tell() -> None:
            for change in changes:
                _log.log(logging.WARNING if change.is_loss else logging.INFO, "%s", change)
                self._inform(self._on_change, change)

        return tell

    def _hurry(self) -> bool:
        """Have the servers asked soon; whether anybody is asked at all."""
        return (polling := self._polling) is not None and polling.hurry()

    def _wake(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def _learn(self, volatility: Volatility) -> None:
        self.volatility = volatility
        self._inform(self._on_volatility, volatility)

    def _inform(self, listener: Callable[[News], None] | None, news: News) -> None:
        if listener is not None:
            try:
                listener(news)
            except Exception:  # a listener's fault is not the monitor's end
                _log.exception("a listener failed")

    def begin_in_child(self) -> None:
        """After a fork: forget what is the parent's: threads that are not here, their locks, and their sockets."""
        polling, self._polling = self._polling, None
        self._lock = threading.Lock()
        self._listeners = set()
        self.state = UNKNOWN
        self._links.abandon()
        if polling is not None:
            polling.abandon()
