"""What happens to the servers during a run: by a seed, one episode after the other, each undone at its end."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, zip_longest

from tests.support.load.crew import where
from tests.support.load.network import Proxy
from tests.support.load.topology import Member, Topology
from tests.support.load.truth import Truth
from tests.support.load.windows import PRIMARY, Windows
from tests.support.waiting import until

__all__ = ["AFTERMATH", "ALL_STANDBYS", "KINDS", "OF_PRIMARY", "OF_STANDBYS", "PATIENCE", "Faults"]

# How long after its end a disturbance may still be felt: by a connection that was idle, by a monitor that rests.
AFTERMATH = 3.0
# A read that waits for a server that does not answer has to be answered by another within this, in seconds.
PATIENCE = 12.0

KILLED, PAUSED, FROZEN = "standbys killed", "replays paused", "standbys frozen"
CUT, STALLED, ASTRAY = "ways to standbys cut", "ways to standbys stalled", "standbys gone astray"
ALL_STANDBYS = "all standbys disturbed at once"
CRASHED, SWITCHED, FENCED = "primaries killed", "switchovers", "primaries fenced"
WRITES_CUT, WRITES_STALLED = "ways to the primary cut", "ways to the primary stalled"
OF_STANDBYS = (KILLED, PAUSED, FROZEN, CUT, STALLED, ASTRAY, ALL_STANDBYS)
OF_PRIMARY = (CRASHED, SWITCHED, FENCED, WRITES_CUT, WRITES_STALLED)
KINDS = (*OF_STANDBYS, *OF_PRIMARY)


class Faults:
    """Disturbs the servers of a topology; what was done is counted when it can be seen, and a violation where not.

    Args:
        servers: the topology.
        truth: is told of failovers, and of whoever hangs.
        windows: is told when what was done to whom.
        chance: decides everything.
        under_way: gives what each worker does now, by a number that changes with everything that it begins.
        patience: how long a worker may wait for a server that does not answer, in seconds.
    """

    def __init__(
        self,
        servers: Topology,
        truth: Truth,
        windows: Windows,
        chance: random.Random,
        under_way: Callable[[], Sequence[tuple[str, int]]],
        patience: float = PATIENCE,
    ) -> None:
        self.drawn: Counter[str] = Counter()
        self._patience, self._windows = patience, windows
        self._servers, self._truth, self._chance, self._under_way = servers, truth, chance, under_way
        self._of_one = {
            KILLED: self._kill,
            PAUSED: self._pause,
            FROZEN: self._freeze,
            CUT: self._cut_reads,
            STALLED: self._stall_reads,
            ASTRAY: self._go_astray,
        }
        self._episodes: dict[str, Callable[[], None]] = {
            **{kind: partial(self._alone, kind) for kind in self._of_one},
            ALL_STANDBYS: self._standbys,
            CRASHED: self._crash,
            SWITCHED: self._switch_over,
            FENCED: self._fence,
            WRITES_CUT: partial(self._disturb_writes, WRITES_CUT, lambda way: way.cut(), lambda way: way.is_cut),
            WRITES_STALLED: partial(
                self._disturb_writes, WRITES_STALLED, lambda way: way.stall(), lambda way: way.is_stalled
            ),
        }

    def run(self, seconds: float, at_least: int) -> None:
        """One episode after the other until the time is over; each is undone, the last one too.

        Args:
            seconds: how long.
            at_least: how many episodes there are, however long they take.
        """
        ends_at = time.monotonic() + seconds
        deck: list[str] = []
        played = 0
        while time.monotonic() < ends_at or played < at_least:
            deck = deck or self.deck()
            self.play(deck.pop(0))
            played += 1
            self._hold(0.2)
        self._servers.settle()

    def deck(self) -> list[str]:
        """Each kind once, and all standbys at once twice: in turn one of the primary's, and one of the standbys'."""
        primaries, standbys = [*OF_PRIMARY], [*OF_STANDBYS, ALL_STANDBYS]
        self._chance.shuffle(primaries)
        self._chance.shuffle(standbys)
        return [kind for kind in chain.from_iterable(zip_longest(primaries, standbys)) if kind is not None]

    def play(self, kind: str) -> None:
        """Let something happen, and undo it.

        Args:
            kind: one of `KINDS`.
        """
        self.drawn[kind] += 1
        self._episodes[kind]()

    # Standbys, one or several at once.

    def _alone(self, kind: str) -> None:
        standby = self._chance.choice(self._servers.standbys)
        with self._windows.lasting(kind, standby.name):
            undo = self._of_one[kind](standby)
            self._hold(self._chance.uniform(0.3, 1.0))
            self.wait_for_workers(kind)
            undo()
            self._servers.settle()

    def _standbys(self) -> None:
        """Something with all of the standbys at once, one of which can always take the primary's log."""
        standbys = self._chance.sample(self._servers.standbys, len(self._servers.standbys))
        with self._windows.lasting(ALL_STANDBYS, *(standby.name for standby in standbys)):
            drawn = [self._chance.choice((KILLED, PAUSED, FROZEN, CUT, STALLED)) for _ in standbys[:-1]]
            drawn.append(self._chance.choice((PAUSED, CUT, STALLED)))
            self.drawn.update(drawn)
            undone = [self._of_one[kind](standby) for kind, standby in zip(drawn, standbys, strict=True)]
            self._truth.count(ALL_STANDBYS)
            self._hold(self._chance.uniform(0.3, 1.0))
            self.wait_for_workers(ALL_STANDBYS)
            for undo in undone:
                undo()
            self._servers.settle()

    def _kill(self, standby: Member) -> Callable[[], None]:
        self._servers.kill(standby)
        self._note(KILLED, self._servers.is_down(standby))
        return lambda: self._servers.start(standby)

    def _pause(self, standby: Member) -> Callable[[], None]:
        self._servers.pause(standby)
        self._note(PAUSED, self._servers.is_held(standby))
        return lambda: self._servers.resume(standby)

    def _freeze(self, standby: Member) -> Callable[[], None]:
        self._servers.freeze(standby)
        self._note(FROZEN, self._servers.stands_still(standby))
        return lambda: self._servers.thaw(standby)

    def _cut_reads(self, standby: Member) -> Callable[[], None]:
        standby.reads.cut()
        self._note(CUT, standby.reads.is_cut)
        return standby.reads.flow

    def _stall_reads(self, standby: Member) -> Callable[[], None]:
        standby.reads.stall()
        self._note(STALLED, standby.reads.is_stalled)
        return standby.reads.flow

    def _go_astray(self, standby: Member) -> Callable[[], None]:
        """Somebody promotes a standby although the primary lives: it is one no more, and its history parts."""
        standby.server.promote()
        standby.server.execute("SET synchronous_commit = local; CREATE TABLE IF NOT EXISTS astray ()")
        self._note(ASTRAY, not self._servers.is_standby(standby))

        def undo() -> None:
            self._servers.kill(standby)
            self._servers.rejoin(standby, rewind=self._chance.random() < 0.5)

        return undo

    # The primary. While the former one comes back, all are there, and may be behind.

    def _crash(self) -> None:
        """The primary is killed, a standby promoted, the old primary made its standby."""
        old = self._servers.primary
        with self._windows.lasting(CRASHED, *self._servers.members):
            with self._windows.lasting(CRASHED, PRIMARY):
                self._servers.kill(old)
                old.writes.cut()
                is_down = self._servers.is_down(old)
                self._promote()
            self._note(CRASHED, is_down and self._is_replaced(old))
            self._servers.rejoin(old, rewind=self._chance.random() < 0.5)
            self._servers.settle()

    def _switch_over(self) -> None:
        """The primary is shut down in order, a standby promoted, and the old primary follows it as it is."""
        old = self._servers.primary
        with self._windows.lasting(SWITCHED, *self._servers.members):
            with self._windows.lasting(SWITCHED, PRIMARY):
                old.server.stop("fast")
                old.writes.cut()
                is_down = self._servers.is_down(old)
                self._promote()
            self._note(SWITCHED, is_down and self._is_replaced(old))
            self._servers.rejoin(old, rewind=True)
            self._servers.settle()

    def _fence(self) -> None:
        """The primary stands still and nobody reaches it any more; later it goes on as if nothing had happened."""
        old = self._servers.primary
        with self._windows.lasting(FENCED, *self._servers.members):
            with self._windows.lasting(FENCED, PRIMARY):
                self._servers.freeze(old)
                old.writes.stall()
                self._servers.virtual.stall()
                stands_still = self._servers.stands_still(old)
                self._promote()
                self._note(FENCED, stands_still and self._is_replaced(old))
                self.wait_for_workers("a primary that stands still, and another one in its place")
                # What still hangs on the old one is cut off now.
                old.writes.cut()
            old.reads.cut()
            self._servers.kill(old)
            self._servers.rejoin(old, rewind=self._chance.random() < 0.5)
            old.reads.flow()
            self._servers.settle()

    def _promote(self) -> None:
        self._hold(self._chance.uniform(0.0, 0.5))
        self._truth.note_failover()
        self._servers.promote()

    def _is_replaced(self, old: Member) -> bool:
        return self._servers.primary is not old and not self._servers.is_standby(self._servers.primary)

    def _disturb_writes(self, kind: str, disturb: Callable[[Proxy], None], is_so: Callable[[Proxy], bool]) -> None:
        primary = self._servers.primary
        ways = self._chance.choice(([primary.writes], [self._servers.virtual], [primary.writes, self._servers.virtual]))
        with self._windows.lasting(kind, PRIMARY):
            for way in ways:
                disturb(way)
            self._note(kind, all(is_so(way) for way in ways))
            self._hold(self._chance.uniform(0.2, 3.5))
            for way in ways:
                way.flow()

    # What they share.

    def _note(self, kind: str, is_so: bool) -> None:
        """Count what can be seen to have happened."""
        if is_so:
            self._truth.count(kind)
        else:
            self._truth.accuse(f"{kind}: this was to happen, and has not")

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
            standing = "".join(f"\n    {name}: {where(name)}" for name in left)
            self._truth.accuse(f"{len(left)} hang while this lasts: {why}: {', '.join(left)}{standing}")
