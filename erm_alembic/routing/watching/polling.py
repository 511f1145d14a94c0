"""The rounds in which a cluster's servers are asked: the primary first, then all replicas, none waiting for another."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from erm_alembic.postgres.replication import ServerSample
from erm_alembic.postgres.volatility import Volatility
from erm_alembic.routing.discovery.search import Search
from erm_alembic.routing.options import PRIMARY
from erm_alembic.routing.watching.link_pool import LinkPool
from erm_alembic.routing.watching.picture import Picture
from erm_alembic.routing.watching.probe import Address, PollControl, Probe
from erm_alembic.routing.watching.questions import (
    Answer,
    HeartbeatTable,
    PrimaryQuestion,
    ReplicaQuestion,
    ask_catalogs,
)
from erm_alembic.routing.watching.state import ClusterState

__all__ = ["Polling"]

Sought = TypeVar("Sought")

_log = logging.getLogger("erm_alembic.routing")

# Between rounds that somebody waits for, in seconds.
_EAGER = 0.02
# How long replicas wait for the primary's answer to come first, in seconds: what they have replayed of it is then as
# fresh as the round itself.
_HEAD_START = 0.1
# When a replica is asked again that had not replayed the primary's answer yet, in seconds: mostly it is on its way, and
# without another look nobody would know before the next round.
_LOOKS = (0.02, 0.08, 0.3)
# A system waits no longer at once, in seconds.
_LONGEST_WAIT = 3600.0
# How long a server that can wait for a position does so before it answers, at most, in seconds.
_SERVER_WAITS = 0.2
# How often the catalogs are read again, when after a failure, and how long that may take, in seconds.
_CATALOG_PERIOD, _CATALOG_RETRY, _CATALOG_PATIENCE = 600.0, 10.0, 30.0


class Polling:
    """The threads of a monitor between its start and its end: one that sets the pace, and one a server.

    Args:
        primary: gives the primary's address.
        replicas: the same for each replica, by name.
        control: what they share.
        links: whose overdue links are cut off as well.
        publish: takes each new state, under a lock; what it returns is called without one.
        learn: takes what the primary's catalogs say; None leaves them alone.
        heartbeat: the table that heartbeats are written to; None writes none.
        search: looks for replicas, and runs as long as the rounds; None where nobody does.
    """

    def __init__(
        self,
        primary: Address,
        replicas: Mapping[str, Address],
        control: PollControl,
        links: LinkPool,
        *,
        publish: Callable[[ClusterState], Callable[[], None]],
        learn: Callable[[Volatility], None] | None,
        heartbeat: HeartbeatTable | None,
        search: Search | None = None,
    ) -> None:
        self.search = search
        self._control = control
        self._links = links
        self._publish = publish
        self._picture = Picture(replicas)
        # Whether the pacing thread has come to its end.
        self.over = False
        # When the last round began, when the next one does, and when the replicas' turn in it is; when those that are
        # behind are asked again.
        self._begun_at, self._round_due, self._replicas_due = float("-inf"), 0.0, float("inf")
        self._looks: list[float] = []
        self._wanted = False
        self._reads_catalogs = learn is not None
        self._catalogs_due = 0.0 if self._reads_catalogs else float("inf")
        writer = uuid.uuid4().hex
        self._primary_address, self._primary_question = primary, PrimaryQuestion(heartbeat, writer)
        self._primary = self._probe_of_primary()
        # The positions that somebody waits for.
        self._awaited: tuple[int, ...] = ()
        patience = min(_SERVER_WAITS, control.timeout / 4)
        self._question = ReplicaQuestion(heartbeat, writer, lambda: min(self._awaited, default=None), patience)
        self._addresses = dict(replicas)
        # Replaced as a whole: others look at it while it changes.
        self._replicas = {name: self._replica(name, address) for name, address in replicas.items()}
        self._catalogs = Probe(
            "erm-routing catalogs",
            primary,
            self._control,
            question=lambda link: ask_catalogs(link, _CATALOG_PATIENCE),
            heard=lambda volatility, _, __: learn(volatility) if learn is not None else None,
            failed=self._catalogs_failed,
            keep=lambda _: False,
        )
        self._thread = threading.Thread(target=self._run, name="erm-routing", daemon=True)

    def start(self) -> None:
        """Start the threads.

        Raises:
            RuntimeError: the system gives no more threads; `end` ends those that have begun.
        """
        for probe in self._probes():
            probe.start()
        self._thread.start()
        if self.search is not None:
            self.search.start()

    def end(self) -> None:
        """Tell the threads to end; nothing is published any more."""
        with self._control.changed:
            self._control.stopping = True
            self._control.changed.notify_all()
        for probe in self._probes():
            probe.cut()
        if self.search is not None:
            self.search.end()

    def follow(self, replicas: Mapping[str, Address]) -> None:
        """Probe these replicas from now on; of one that came, or is elsewhere now, nothing is known yet.

        Args:
            replicas: gives the address of each, by name; the same function stands for the same server.
        """
        with self._control.changed:
            if self._control.stopping:
                return
            # An address that is given as the same function leads to the same server.
            stay = {name for name, address in self._addresses.items() if replicas.get(name) == address}
            probes = {name: probe for name, probe in self._replicas.items() if name in stay}
            gone = [(name, probe) for name, probe in self._replicas.items() if name not in probes]
            for name, _ in gone:
                self._picture.forget(name)
            new = [name for name in replicas if name not in probes]
            for name in new:
                self._picture.add(name)
                probes[name] = self._replica(name, replicas[name])
            self._addresses, self._replicas = dict(replicas), probes
            tell = self._publish(self._picture.state(time.monotonic()))
            for _, probe in gone:
                probe.retire()
            for name in new:
                probes[name].start()
            self._wanted = True
            self._control.tell()
        tell()

    def primary_moved(self) -> None:
        """Ask the primary where it is now; whoever still waits for an answer from where it was is not listened to."""
        with self._control.changed:
            if self._control.stopping:
                return
            former, self._primary = self._primary, self._probe_of_primary()
            former.retire()
            self._primary.start()
            self._wanted = True
            self._control.changed.notify_all()

    def join(self) -> None:
        """Wait for the threads, but not for one that hangs before it has a connection."""
        ends_at = time.monotonic() + self._control.timeout
        for probe in self._probes():
            probe.join(max(0.0, ends_at - time.monotonic()))
        if self._thread is not threading.current_thread() and self._thread.ident is not None:
            self._thread.join(max(0.0, ends_at - time.monotonic()))
        if self.search is not None:
            self.search.join(max(0.0, ends_at - time.monotonic()))

    def abandon(self) -> None:
        """Let go of the connections in a forked child, in which they are the parent's."""
        for probe in self._probes():
            probe.abandon()

    def refreshed(self, ends_at: float) -> bool:
        """Wait until every server was asked once more; whether that was in time."""
        moment = time.monotonic()

        def asked() -> bool:
            now = time.monotonic()
            return all(probe.has_asked_since(moment, now) for probe in (self._primary, *self._replicas.values()))

        return bool(self.wait(asked, ends_at))

    @contextlib.contextmanager
    def awaiting(self, lsn: int) -> Iterator[None]:
        """While somebody waits for a position, replicas that can wait for one do so."""
        with self._control.changed:
            self._awaited = (*self._awaited, lsn)
        try:
            yield
        finally:
            with self._control.changed:
                others = list(self._awaited)
                others.remove(lsn)
                self._awaited = tuple(others)

    def wait_for_position(self, lsn: int, find: Callable[[], Sought | None], ends_at: float) -> Sought | None:
        """The same as `wait`, while replicas that can wait for a position do so."""
        with self.awaiting(lsn):
            return self.wait(find, ends_at)

    def hurry(self) -> bool:
        """Have the servers asked soon, for somebody who waits for news; whether anybody will be asked at all."""
        with self._control.changed:
            if not self._wanted:
                self._wanted = True
                self._control.changed.notify_all()
            return not self._control.stopping

    def wait(self, find: Callable[[], Sought | None], ends_at: float) -> Sought | None:
        """Look after each piece of news, with one round after the other, until something is found."""
        control = self._control
        while True:
            news = control.news
            if found := find():
                return found
            with control.changed:
                if not self._wanted:
                    self._wanted = True
                    control.changed.notify_all()
                while control.news == news:
                    remaining = ends_at - time.monotonic()
                    if remaining <= 0 or control.stopping:
                        return None
                    control.changed.wait(min(remaining, _LONGEST_WAIT))

    def read_catalogs(self) -> None:
        """Have the catalogs read again soon."""
        with self._control.changed:
            self._catalogs_due = 0.0 if self._reads_catalogs else float("inf")
            self._control.changed.notify_all()

    def note_primary(self, sample: ServerSample, asked_at: float, answered_at: float) -> None:
        """Keep what somebody else heard of the primary for the next round, which publishes it."""
        with self._control.changed:
            self._picture.primary_answered(sample, asked_at, answered_at)

    # The pacing thread.

    def _run(self) -> None:
        changed = self._control.changed
        try:
            with changed:
                while not self._control.stopping:
                    try:
                        wake = self._begin_what_is_due(time.monotonic())
                    except Exception:  # one fault is not the end of all rounds
                        _log.exception("a round failed")
                        wake = time.monotonic() + self._control.interval
                    changed.wait(max(0.0, wake - time.monotonic()))
        finally:
            self.over = True

    def _begin_what_is_due(self, now: float) -> float:
        """Have the servers asked whose turn it is; when the next turn is."""
        if now >= self._round_due or (self._wanted and now >= self._begun_at + _EAGER):
            self._wanted = False
            self._primary.ask(now)
            self._begun_at, self._replicas_due = now, now + min(_HEAD_START, self._control.timeout / 4)
            self._round_due = now + self._control.interval * random.uniform(0.8, 1.2)
        if now >= self._replicas_due or (self._replicas_due < float("inf") and self._primary.idle):
            self._replicas_due = float("inf")
            self._looks = [now + look for look in _LOOKS]
            for probe in self._replicas.values():
                probe.ask(now)
        if self._looks and now >= self._looks[0]:
            del self._looks[0]
            for name in self._picture.behind():
                self._replicas[name].ask(now)
        if now >= self._catalogs_due and self._picture.primary_reachable:
            self._catalogs.ask(now)
            if not self._catalogs.idle:
                self._catalogs_due = now + _CATALOG_PERIOD
        self._cut_overdue(now)
        eager = self._begun_at + _EAGER if self._wanted else float("inf")
        wake = min(self._round_due, self._replicas_due, *self._looks[:1], eager)
        if not all(probe.idle for probe in self._probes()):
            wake = min(wake, now + self._control.timeout / 4)
        return wake

    def _cut_overdue(self, now: float) -> None:
        for probe in self._probes():
            ends_at = probe.ends_at  # looked at once: the answer may come meanwhile
            if ends_at is not None and ends_at < now:
                probe.cut()
        for link in self._links.overdue(now):
            link.cut()

    # What the probes' threads do.

    def _take(self, update: Callable[[], None]) -> None:
        """Put what was heard into the picture, and publish it whole."""
        with self._control.changed:
            if self._control.stopping:
                return
            update()
            state = self._picture.state(time.monotonic())
            tell = self._publish(state)
            self._control.tell()
        tell()
        if self.search is not None and not (state.primary.reachable and state.primary.writable):
            self.search.hurry()

    def _note(self, answer: Answer, asked_at: float, answered_at: float) -> None:
        self._picture.primary_answered(answer.sample, asked_at, answered_at)
        if answer.beat is not None:
            self._picture.beat_written(answer.beat, answer.beat_at)
        elif answer.no_beat:
            self._picture.beat_failed(answer.no_beat)

    def _catalogs_failed(self, problem: str) -> None:
        _log.warning("the functions of the primary cannot be read: %s", problem)
        with self._control.changed:
            self._catalogs_due = time.monotonic() + _CATALOG_RETRY

    def _probe_of_primary(self) -> Probe[Answer]:
        def take(update: Callable[[], None]) -> None:
            self._take(lambda: update() if self._primary is probe else None)

        probe = self._probe(
            PRIMARY,
            self._primary_address,
            self._primary_question,
            lambda answer, asked_at, answered_at: take(lambda: self._note(answer, asked_at, answered_at)),
            lambda problem: take(lambda: self._picture.primary_failed(problem)),
            keep=lambda answer: not answer.sample.in_recovery,
        )
        return probe

    def _replica(self, name: str, address: Address) -> Probe[Answer]:
        def take(update: Callable[[], None]) -> None:
            # Another server may go by the name by now.
            self._take(lambda: update() if self._replicas.get(name) is probe else None)

        def heard(answer: Answer, asked_at: float, answered_at: float) -> None:
            beat, no_beat = answer.beat, answer.no_beat
            take(lambda: self._picture.replica_answered(name, answer.sample, asked_at, answered_at, beat, no_beat))

        probe = self._probe(
            name,
            address,
            self._question,
            heard,
            lambda problem: take(lambda: self._picture.replica_failed(name, problem)),
            keep=lambda answer: answer.sample.in_recovery,
        )
        return probe

    def _probe(
        self,
        name: str,
        address: Address,
        question: PrimaryQuestion | ReplicaQuestion,
        heard: Callable[[Answer, float, float], None],
        failed: Callable[[str], None],
        *,
        keep: Callable[[Answer], bool],
    ) -> Probe[Answer]:
        return Probe(
            f"erm-routing {name}",
            address,
            self._control,
            question=question,
            heard=heard,
            failed=failed,
            keep=keep,
        )

    def _probes(self) -> Iterator[Probe[Answer] | Probe[Volatility]]:
        yield self._primary
        yield from self._replicas.values()
        yield self._catalogs
