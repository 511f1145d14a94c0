"""Each kind of fault is drawn, and counted when it can be seen on the servers; a run with too little of them fails."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.chaos.faults import ALL_STANDBYS, KINDS, OF_PRIMARY, OF_STANDBYS, Faults
from tests.chaos.run import enough_has_happened
from tests.support.load.network import Proxy
from tests.support.load.topology import Topology
from tests.support.load.truth import Truth
from tests.support.load.windows import PRIMARY, Windows


class _Way(Proxy):
    """A way that is cut and stalled without a network."""

    def __init__(self, works: bool) -> None:
        self._works, self._is = works, ""

    @property
    def is_cut(self) -> bool:
        return self._is == "cut"

    @property
    def is_stalled(self) -> bool:
        return self._is == "stalled"

    def cut(self) -> None:
        self._is = "cut" if self._works else ""

    def stall(self) -> None:
        self._is = "stalled" if self._works else ""

    def flow(self, target: object = None) -> None:
        self._is = ""


class _Servers:
    """Three servers that only say what was done to them; with `works` False nothing is."""

    def __init__(self, works: bool = True) -> None:
        self._works = works
        self.virtual = _Way(works)
        self.members = {name: self._member(name) for name in ("north", "east", "south")}
        self.primary = self.members["north"]
        self.down: set[str] = set()
        self.still: set[str] = set()
        self.held: set[str] = set()
        self.promoted = {"north"}

    def _member(self, name: str) -> Any:
        server = SimpleNamespace(
            stop=lambda mode: self.kill(self.members[name]),
            promote=lambda: self.promoted.add(name) if self._works else None,
            execute=lambda *_, **__: [],
        )
        return SimpleNamespace(name=name, server=server, reads=_Way(self._works), writes=_Way(self._works))

    @property
    def standbys(self) -> list[Any]:
        return [member for member in self.members.values() if member is not self.primary]

    def kill(self, member: Any) -> None:
        self.down |= {member.name} if self._works else set()

    def freeze(self, member: Any) -> None:
        self.still |= {member.name} if self._works else set()

    def pause(self, member: Any) -> None:
        self.held |= {member.name} if self._works else set()

    def start(self, member: Any) -> None:
        self.down.discard(member.name)

    def thaw(self, member: Any) -> None:
        self.still.discard(member.name)

    def resume(self, member: Any) -> None:
        self.held.discard(member.name)

    def rejoin(self, member: Any, *, rewind: bool) -> None:
        self.promoted.discard(member.name)

    def promote(self) -> None:
        if self._works:
            self.primary = self.standbys[0]
            self.promoted.add(self.primary.name)

    def settle(self) -> None:
        self.down.clear()
        self.still.clear()
        self.held.clear()

    def is_down(self, member: Any) -> bool:
        return member.name in self.down

    def stands_still(self, member: Any) -> bool:
        return member.name in self.still

    def is_held(self, member: Any) -> bool:
        return member.name in self.held

    def is_standby(self, member: Any) -> bool:
        return member.name not in self.promoted


class _Faults(Faults):
    """Faults that last no time."""

    def __init__(self, truth: Truth, windows: Windows, works: bool = True) -> None:
        super().__init__(cast("Topology", _Servers(works)), truth, windows, random.Random(1), list)

    def _hold(self, seconds: float) -> None:
        pass


@pytest.fixture
def truth() -> Truth:
    """Of a run in which nothing has happened."""
    return Truth(heard_within=1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_fault_is_drawn_and_counted(kind: str, truth: Truth) -> None:
    """Within one round of the cards, and within a window of the servers that it is done to."""
    windows = Windows(aftermath=60.0)
    faults = _Faults(truth, windows)
    faults.run(0.0, len(faults.deck()))
    assert faults.drawn[kind]
    assert truth.counts[kind] == faults.drawn[kind]
    assert not truth.violations
    lasted = [window for window in windows._all if window.what == kind]
    assert lasted or kind in OF_STANDBYS
    assert any(PRIMARY in window.servers for window in lasted) == (kind in OF_PRIMARY)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != ALL_STANDBYS])
def test_a_fault_that_cannot_be_seen_is_no_fault(kind: str, truth: Truth) -> None:
    """What was to be killed and lives is not counted, and said to be wrong."""
    faults = _Faults(truth, Windows(aftermath=0.0), works=False)
    faults.play(kind)
    assert not truth.counts[kind]
    assert truth.violations == [f"{kind}: this was to happen, and has not"]


def test_a_short_run_has_a_fault_of_the_primary_and_one_of_the_standbys(truth: Truth) -> None:
    """Whatever the seed: the cards alternate."""
    for seed in range(20):
        faults = _Faults(truth, Windows(aftermath=0.0))
        faults._chance.seed(seed)
        assert {kind in OF_PRIMARY for kind in faults.deck()[:2]} == {True, False}
        assert set(faults.deck()) == set(KINDS)


# Enough of everything.


def _enough(seconds: float) -> Truth:
    truth = Truth(heard_within=1.0)
    rates = ("answers of replicas", "answers of the primary", "writes acknowledged", "tokens passed on")
    truth.counts.update(dict.fromkeys((*rates, *KINDS, "tried: write", "done: write"), 1000))
    return truth


def test_a_run_with_enough_of_everything_passes() -> None:
    """Nothing is said."""
    truth = _enough(60.0)
    enough_has_happened(truth, Counter(KINDS), {"somebody": 100}, 60.0)
    assert not truth.violations


@pytest.mark.parametrize("missing", [*KINDS, "answers of replicas", "answers of the primary", "writes acknowledged"])
def test_a_long_run_without_something_fails(missing: str) -> None:
    """Any kind of fault, reads from each side, and writes."""
    truth = _enough(60.0)
    truth.counts[missing] = 0
    enough_has_happened(truth, Counter(), {"somebody": 100}, 60.0)
    assert len(truth.violations) == 1
    assert f"only 0 {missing}" in truth.violations[0]


@pytest.mark.parametrize("kinds", [OF_PRIMARY, OF_STANDBYS])
def test_a_short_run_without_a_fault_of_one_side_fails(kinds: tuple[str, ...]) -> None:
    """The primary's, or the standbys'."""
    truth = _enough(8.0)
    for kind in kinds:
        truth.counts[kind] = 0
    enough_has_happened(truth, Counter(), {"somebody": 100}, 8.0)
    assert truth.violations == [f"none of these faults has happened: {', '.join(kinds)}"]


def test_a_fault_that_was_drawn_and_not_counted_fails_a_short_run_too() -> None:
    """It was announced, and nobody saw it."""
    truth = _enough(8.0)
    truth.counts[KINDS[0]] = 1
    enough_has_happened(truth, Counter({KINDS[0]: 2}), {"somebody": 100}, 8.0)
    assert truth.violations == [f"only 1 {KINDS[0]}, and 2 was the least"]


def test_a_worker_and_a_thing_to_do_that_came_to_nothing_fail() -> None:
    """One who did next to nothing; one thing that was tried and never done."""
    truth = _enough(8.0)
    truth.counts["tried: one snapshot"] = 50
    enough_has_happened(truth, Counter(), {"somebody": 100, "idler": 3}, 8.0)
    assert truth.violations == [
        "only 0 done: one snapshot, and 1 was the least",
        "idler has done only 3 things in 8 s",
    ]


def test_whoever_hangs_is_found_out(truth: Truth) -> None:
    """By what it began, which is still the same when the patience is over."""
    going_on = iter(range(1_000_000))
    servers = cast("Topology", _Servers())
    under_way = lambda: [("one", 1), ("two", next(going_on))]  # noqa: E731
    faults = Faults(servers, truth, Windows(0.0), random.Random(1), under_way, patience=0.05)
    faults.wait_for_workers("nothing")
    assert truth.violations == ["1 hang while this lasts: nothing: one\n    one: "]
