"""What happens to the servers during a run: by a seed, one episode after the other, each undone at its end."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.chaos.topology import Member, Topology
from tests.chaos.truth import Truth
from tests.routing.servers import until

__all__ = ["Disturbances", "Faults"]

# How long after its end a disturbance may still be felt: by a connection that was idle, by a monitor that rests.
_AFTERMATH = 3.0
# A read that waits for a server that does not answer has to be answered by another within this, in seconds.
PATIENCE = 12.0


@dataclass
class Disturbances:
    """When the way to a primary that answers was disturbed, by `time.monotonic()`."""

    spans: list[list[float]] = field(default_factory=list)

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """One from here to the end of the block, and a little longer."""
        span = [time.monotonic(), float("inf")]
        self.spans.append(span)
        try:
            yield
        finally:
            span[1] = time.monotonic() + _AFTERMATH

    def overlap(self, began_at: float, ended_at: float) -> bool:
        """Whether one was felt between two moments."""
        return any(begin <= ended_at and began_at <= end for begin, end in self.spans)


class Faults:
    """Disturbs the servers of a topology.

    Args:
        servers: the topology.
        truth: is told of failovers, and of whoever hangs.
        chance: decides everything.
        under_way: gives what each worker does now, by a number that changes with everything that it begins.
        patience: how long a worker may wait for a server that does not answer, in seconds.
    """

    def __init__(
        self,
        servers: Topology,
        truth: Truth,
        chance: random.Random,
        under_way: Callable[[], Sequence[tuple[str, int]]],
        patience: float = PATIENCE,
    ) -> None:
        self._patience = patience
        self.disturbances = Disturbances()
        self._servers, self._truth, self._chance, self._under_way = servers, truth, chance, under_way
        self._of_standbys = (self._kill, self._pause, self._freeze, self._cut_reads, self._stall_reads, self._go_astray)
        self._of_primary = (self._crash, self._switch_over, self._fence, self._cut_writes, self._stall_writes)

    def run(self, seconds: float) -> None:
        """One episode after the other until the time is over; each is undone, the last one too.

        Args:
            seconds: how long.
        """
        ends_at = time.monotonic() + seconds
        deck: list[Callable[[], None]] = []
        while time.monotonic() < ends_at:
            if not deck:
                # Each kind before any comes again.
                deck = [self._standbys, self._standbys, *self._of_primary, *map(self._alone, self._of_standbys)]
                self._chance.shuffle(deck)
            deck.pop()()
            self._hold(0.2)
        self._servers.settle()

    # Standbys, one or several at once.

    def _alone(self, fault: Callable[[Member], Callable[[], None]]) -> Callable[[], None]:
        def episode() -> None:
            undo = fault(self._chance.choice(self._servers.standbys))
            self._hold(self._chance.uniform(0.3, 1.0))
            self.wait_for_workers(fault.__name__.strip("_"))
            undo()
            self._settle()

        return episode

    def _standbys(self) -> None:
        """Something with all of the standbys at once, one of which can always take the primary's log."""
        standbys = self._chance.sample(self._servers.standbys, len(self._servers.standbys))
        last_harmless = (self._pause, self._cut_reads, self._stall_reads)
        undone = [self._chance.choice(self._of_standbys[:5])(standby) for standby in standbys[:-1]]
        undone.append(self._chance.choice(last_harmless)(standbys[-1]))
        self._truth.counts["all standbys disturbed at once"] += 1
        self._hold(self._chance.uniform(0.3, 1.0))
        self.wait_for_workers("all standbys disturbed")
        for undo in undone:
            undo()
        self._settle()

    def _kill(self, standby: Member) -> Callable[[], None]:
        self._truth.counts["standbys killed"] += 1
        self._servers.kill(standby)
        return lambda: self._servers.start(standby)

    def _pause(self, standby: Member) -> Callable[[], None]:
        self._truth.counts["replays paused"] += 1
        self._servers.pause(standby)
        return lambda: self._servers.resume(standby)

    def _freeze(self, standby: Member) -> Callable[[], None]:
        self._truth.counts["standbys frozen"] += 1
        self._servers.freeze(standby)
        return lambda: self._servers.thaw(standby)

    def _cut_reads(self, standby: Member) -> Callable[[], None]:
        self._truth.counts["ways to standbys cut"] += 1
        standby.reads.cut()
        return standby.reads.flow

    def _stall_reads(self, standby: Member) -> Callable[[], None]:
        self._truth.counts["ways to standbys stalled"] += 1
        standby.reads.stall()
        return standby.reads.flow

    def _go_astray(self, standby: Member) -> Callable[[], None]:
        """Somebody promotes a standby although the primary lives: it is one no more, and its history parts."""
        self._truth.counts["standbys gone astray"] += 1
        standby.server.promote()
        standby.server.execute("SET synchronous_commit = local; CREATE TABLE IF NOT EXISTS astray ()")

        def undo() -> None:
            self._servers.kill(standby)
            self._servers.rejoin(standby, rewind=self._chance.random() < 0.5)

        return undo

    # The primary.

    def _crash(self) -> None:
        """The primary is killed, a standby promoted, the old primary made its standby."""
        self._truth.counts["primaries killed"] += 1
        old = self._servers.primary
        with self.disturbances.lasting():
            self._servers.kill(old)
            old.writes.cut()
            self._promote()
        self._servers.rejoin(old, rewind=self._chance.random() < 0.5)
        self._settle()

    def _switch_over(self) -> None:
        """The primary is shut down in order, a standby promoted, and the old primary follows it as it is."""
        self._truth.counts["switchovers"] += 1
        old = self._servers.primary
        with self.disturbances.lasting():
            old.server.stop("fast")
            old.writes.cut()
            self._promote()
        self._servers.rejoin(old, rewind=True)
        self._settle()

    def _fence(self) -> None:
        """The primary stands still and nobody reaches it any more; later it goes on as if nothing had happened."""
        self._truth.counts["primaries fenced"] += 1
        old = self._servers.primary
        with self.disturbances.lasting():
            self._servers.freeze(old)
            old.writes.stall()
            self._servers.virtual.stall()
            self._promote()
            self.wait_for_workers("a primary that stands still, and another one in its place")
        old.writes.cut()
        old.reads.cut()
        self._servers.kill(old)
        self._servers.rejoin(old, rewind=self._chance.random() < 0.5)
        old.reads.flow()
        self._settle()

    def _promote(self) -> None:
        self._hold(self._chance.uniform(0.0, 0.5))
        self._truth.note_failover()
        self._servers.promote()
        self._truth.counts["standbys promoted"] += 1

    def _cut_writes(self) -> None:
        self._truth.counts["ways to the primary cut"] += 1
        primary = self._servers.primary
        ways = self._chance.choice(([primary.writes], [self._servers.virtual], [primary.writes, self._servers.virtual]))
        with self.disturbances.lasting():
            for way in ways:
                way.cut()
            self._hold(self._chance.uniform(0.2, 3.5))
            for way in ways:
                way.flow()

    def _stall_writes(self) -> None:
        self._truth.counts["ways to the primary stalled"] += 1
        primary = self._servers.primary
        ways = self._chance.choice(([primary.writes], [self._servers.virtual], [primary.writes, self._servers.virtual]))
        with self.disturbances.lasting():
            for way in ways:
                way.stall()
            self._hold(self._chance.uniform(0.2, 3.5))
            for way in ways:
                way.flow()

    # What they share.

    def _settle(self) -> None:
        self._servers.settle()

    def _hold(self, seconds: float) -> None:
        """Let the load go on under what was done; nothing depends on how long that is."""
        time.sleep(seconds)

    def wait_for_workers(self, why: str) -> None:
        """Wait, while a fault lasts, until nobody does any more what was under way when it began.

        Args:
            why: what lasts.
        """
        before = dict(self._under_way())

        def waiting() -> list[str]:
            return [name for name, number in self._under_way() if before.get(name) == number]

        deadline = time.monotonic() + self._patience
        until(lambda: not waiting() or time.monotonic() > deadline)
        if left := waiting():
            self._truth.accuse(f"{len(left)} hang while this lasts: {why}: {', '.join(left)}")
