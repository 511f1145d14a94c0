"""Watches a cluster's servers in the background, and publishes what is known of them as one value.

Whoever routes reads `Monitor.state`: no lock, no input or output. How old a replica's answers may be follows from
positions in the log and this process's own clock, never from the clock of a server.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from erm_alembic.errors import TargetError
from erm_alembic.postgres.volatility import Volatility
from erm_alembic.routing.changes import Change, changes_between
from erm_alembic.routing.picture import Picture, position
from erm_alembic.routing.positions import Position
from erm_alembic.routing.probe import Address, Pace, Watch
from erm_alembic.routing.questions import (
    Answer,
    HeartbeatTable,
    Lender,
    PrimaryQuestion,
    ReplicaQuestion,
    ask_catalogs,
    ask_sample,
)
from erm_alembic.routing.state import UNKNOWN, ClusterState

__all__ = ["Change", "HeartbeatTable", "Monitor"]

Found = TypeVar("Found")

_log = logging.getLogger("erm_alembic.routing")

# Between rounds that somebody waits for, in seconds.
_EAGER = 0.02
# How long replicas wait for the primary's answer to come first, in seconds: what they have replayed of it is then as
# fresh as the round itself.
_HEAD_START = 0.1
# How often the catalogs are read again, and how long that may take, in seconds.
_CATALOG_PERIOD, _CATALOG_PATIENCE = 600.0, 30.0


class Monitor:
    """Asks the servers of a cluster how far they are, from one process, whatever its number of sessions.

    Nothing happens before `start()`. A forked child knows nothing, and begins anew when it is started there.

    Args:
        primary: gives the primary's address, as libpq takes it, at each new connection.
        replicas: the same for each replica, by name.
        interval: how often each is asked, in seconds, give or take a fifth.
        timeout: how long a server may take to answer before it counts as unreachable, in seconds.
        on_change: told of every change, from a thread of the monitor's.
        on_volatility: given what the primary's catalogs say of its functions, when it was read.
        heartbeat: a table to measure replicas by that do not state their position; None writes nothing anywhere.

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
    ) -> None:
        self.state: ClusterState = UNKNOWN
        self.volatility: Volatility | None = None
        self._primary = primary
        self._replicas = dict(replicas)
        self._interval = interval
        self._timeout = timeout
        self._on_change = on_change
        self._on_volatility = on_volatility
        self._heartbeat = heartbeat
        self._lock = threading.Lock()
        self._lender = Lender(primary, timeout)
        self._rounds: _Rounds | None = None
        _monitors.add(self)

    @property
    def running(self) -> bool:
        """Whether its threads run."""
        return self._rounds is not None

    def start(self) -> None:
        """Start watching; where that is done already, nothing but one look."""
        if self._rounds is not None:
            return
        with self._lock:
            if self._rounds is None:
                self._rounds = _Rounds(self)
                self._rounds.start()

    def stop(self) -> None:
        """Stop watching, and close the connections; nothing is known any more."""
        with self._lock:
            rounds, self._rounds = self._rounds, None
            self.state = UNKNOWN
        if rounds is not None:
            rounds.stop()
        self._lender.close()

    def refresh(self, timeout: float = 5.0) -> ClusterState:
        """What is known after every server was asked once more; one that cannot be reached is not waited for.

        Args:
            timeout: how long to wait, in seconds.
        """
        self.start()
        if (rounds := self._rounds) is not None:
            rounds.refreshed(time.monotonic() + timeout)
        return self.state

    def wait_for(self, find: Callable[[], Found | None], timeout: float) -> Found | None:
        """Wait until something can be found in what is known, asking the servers again and again meanwhile.

        Args:
            find: looks at `state`, and asks nobody; anything true ends the wait. Called whenever there is news.
            timeout: how long to wait, in seconds.

        Returns:
            What it found; None when the time is over, or the monitor was stopped.
        """
        if found := find():
            return found
        self.start()
        rounds = self._rounds
        return None if rounds is None else rounds.wait(find, time.monotonic() + timeout)

    def read_catalogs(self) -> None:
        """Have the primary's functions looked at again soon, as after a migration."""
        self.start()
        if (rounds := self._rounds) is not None:
            rounds.read_catalogs()

    def primary_position(self) -> Position:
        """How far the primary has written at this moment, after all that was committed before the call.

        Asked on the caller's thread, over a connection of the monitor's.

        Raises:
            TargetError: the primary cannot be reached, is none, or does not say.
        """
        asked_at = time.monotonic()
        sample = self._lender.ask(ask_sample)
        lsn = position(sample)
        if sample.system is None or sample.timeline is None or lsn is None:
            raise TargetError(
                "The primary is in recovery: it is a standby."
                if sample.in_recovery
                else "The primary does not say its position, its timeline or its cluster to this role.",
                effect="No token can be given for what was committed.",
                cure="Name the primary's address; grant the role EXECUTE on pg_control_system().",
            )
        if (rounds := self._rounds) is not None:
            rounds.primary_stood(Answer(sample), asked_at)
        return Position(sample.system, sample.timeline, lsn)

    def _tell(self, change: Change) -> None:
        _log.log(logging.WARNING if change.is_loss else logging.INFO, "%s", change)
        if self._on_change is not None:
            try:
                self._on_change(change)
            except Exception:  # a listener's fault is not the monitor's end
                _log.exception("a listener failed")

    def _learn(self, volatility: Volatility) -> None:
        self.volatility = volatility
        if self._on_volatility is not None:
            self._on_volatility(volatility)

    def _begin_in_child(self) -> None:
        """Forget what is the parent's: threads that are not here, locks that they held, and their sockets."""
        rounds, self._rounds = self._rounds, None
        self._lock = threading.Lock()
        self.state = UNKNOWN
        self._lender.abandon()
        if rounds is not None:
            rounds.abandon()


class _Rounds:
    """The threads of a monitor between its start and its end.

    Args:
        monitor: whose state is published.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._pace = Pace(monitor._interval, monitor._timeout)
        self._picture = Picture(monitor._replicas, heartbeat=monitor._heartbeat is not None)
        self._wanted = False
        self._catalogs_due = 0.0
        writer = uuid.uuid4().hex
        self._primary = self._watch(
            "primary",
            monitor._primary,
            PrimaryQuestion(monitor._heartbeat, writer),
            lambda answer, asked_at, _: self.primary_stood(answer, asked_at),
            lambda problem: self._take(lambda: self._picture.primary_failed(problem)),
            keep=lambda answer: not answer.sample.in_recovery,
        )
        question = ReplicaQuestion(monitor._heartbeat, writer)
        self._replicas = [self._replica(name, address, question) for name, address in monitor._replicas.items()]
        self._catalogs = Watch(
            "erm-routing catalogs",
            monitor._primary,
            self._pace,
            question=lambda link: ask_catalogs(link, _CATALOG_PATIENCE),
            heard=lambda volatility, _, __: self._learned(volatility),
            failed=lambda problem: _log.warning("the functions of the primary cannot be read: %s", problem),
            keep=lambda _: False,
        )
        self._thread = threading.Thread(target=self._run, name="erm-routing", daemon=True)

    def start(self) -> None:
        for watch in self._watches():
            watch.start()
        self._thread.start()

    def stop(self) -> None:
        with self._pace.changed:
            self._pace.stopping = True
            self._pace.changed.notify_all()
        for watch in self._watches():
            watch.cut()
        for watch in self._watches():
            watch.join(self._pace.timeout)
        if self._thread is not threading.current_thread():
            self._thread.join(self._pace.timeout)

    def abandon(self) -> None:
        for watch in self._watches():
            watch.abandon()

    def refreshed(self, ends_at: float) -> bool:
        """Wait until every server was asked once more; whether that was in time."""
        moment = time.monotonic()
        servers = (self._primary, *self._replicas)
        asked = self.wait(lambda: all(watch.has_asked_since(moment, time.monotonic()) for watch in servers), ends_at)
        return bool(asked)

    def wait(self, find: Callable[[], Found | None], ends_at: float) -> Found | None:
        """Look after each piece of news, with one round after the other, until something is found."""
        pace = self._pace
        while True:
            news = pace.news
            if found := find():
                return found
            with pace.changed:
                if not self._wanted:
                    self._wanted = True
                    pace.changed.notify_all()
                while pace.news == news:
                    remaining = ends_at - time.monotonic()
                    if remaining <= 0 or pace.stopping:
                        return None
                    pace.changed.wait(remaining)

    def read_catalogs(self) -> None:
        with self._pace.changed:
            self._catalogs_due = 0.0
            self._pace.changed.notify_all()

    def primary_stood(self, answer: Answer, asked_at: float) -> None:
        """Take what the primary answered, on whichever thread."""

        def update() -> None:
            self._picture.primary_answered(answer.sample, asked_at)
            if answer.beat is not None:
                self._picture.beat_written(answer.beat, answer.beat_at)
            elif answer.no_beat:
                self._picture.beat_failed(answer.no_beat)

        self._take(update)

    # The pacing thread.

    def _run(self) -> None:
        changed = self._pace.changed
        begun_at, round_due, replicas_due = float("-inf"), 0.0, float("inf")
        with changed:
            while not self._pace.stopping:
                now = time.monotonic()
                if now >= round_due or (self._wanted and now >= begun_at + _EAGER):
                    self._wanted = False
                    self._primary.ask(now)
                    begun_at, replicas_due = now, now + min(_HEAD_START, self._pace.timeout / 4)
                    round_due = now + self._pace.interval * random.uniform(0.8, 1.2)
                if now >= replicas_due or (replicas_due < float("inf") and self._primary.idle):
                    replicas_due = float("inf")
                    for watch in self._replicas:
                        watch.ask(now)
                if now >= self._catalogs_due and self._monitor.state.primary.reachable:
                    self._catalogs.ask(now)
                    if not self._catalogs.idle:
                        self._catalogs_due = now + _CATALOG_PERIOD
                self._cut_overdue(now)
                wake = min(round_due, replicas_due, begun_at + _EAGER if self._wanted else float("inf"))
                if not all(watch.idle for watch in self._watches()):
                    wake = min(wake, now + self._pace.timeout / 4)
                changed.wait(max(0.0, wake - time.monotonic()))

    def _cut_overdue(self, now: float) -> None:
        for watch in self._watches():
            if watch.ends_at is not None and watch.ends_at < now:
                watch.cut()
        for link in self._monitor._lender.overdue(now):
            link.cut()

    # What the watches' threads do.

    def _take(self, update: Callable[[], None]) -> None:
        """Put what was heard into the picture, and publish it whole."""
        monitor = self._monitor
        with self._pace.changed:
            if self._pace.stopping or monitor._rounds is not self:
                return
            update()
            now = time.monotonic()
            before, monitor.state = monitor.state, self._picture.state(now)
            found = tuple(changes_between(before, monitor.state, now))
            self._pace.tell()
        for change in found:
            monitor._tell(change)

    def _learned(self, volatility: Volatility) -> None:
        if not self._pace.stopping:
            self._monitor._learn(volatility)

    def _replica(self, name: str, address: Address, question: ReplicaQuestion) -> Watch[Answer]:
        def heard(answer: Answer, asked_at: float, answered_at: float) -> None:
            self._take(lambda: self._picture.replica_answered(name, answer.sample, asked_at, answered_at, answer.beat))

        return self._watch(
            name,
            address,
            question,
            heard,
            lambda problem: self._take(lambda: self._picture.replica_failed(name, problem)),
            keep=lambda answer: answer.sample.in_recovery,
        )

    def _watch(
        self,
        name: str,
        address: Address,
        question: PrimaryQuestion | ReplicaQuestion,
        heard: Callable[[Answer, float, float], None],
        failed: Callable[[str], None],
        *,
        keep: Callable[[Answer], bool],
    ) -> Watch[Answer]:
        return Watch(
            f"erm-routing {name}",
            address,
            self._pace,
            question=question,
            heard=heard,
            failed=failed,
            keep=keep,
        )

    def _watches(self) -> Iterator[Watch[Answer] | Watch[Volatility]]:
        yield self._primary
        yield from self._replicas
        yield self._catalogs


def _begin_in_child() -> None:
    for monitor in list(_monitors):
        monitor._begin_in_child()


_monitors: weakref.WeakSet[Monitor] = weakref.WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
