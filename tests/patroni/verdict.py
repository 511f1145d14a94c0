"""What a round has shown, and whether it was enough to show anything."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.support.load.truth import Truth
from tests.support.load.windows import Windows

__all__ = [
    "AFTERMATH",
    "BOUNDED",
    "BY_TOKEN",
    "EVENTS",
    "INTERVAL",
    "KINDS",
    "OWN",
    "UNBOUNDED",
    "Event",
    "Round",
    "longest_gap",
    "shortfalls",
]

UNBOUNDED, BY_TOKEN, BOUNDED, OWN = "any lag", "by token", "bounded", "own"
KINDS = (UNBOUNDED, BY_TOKEN, BOUNDED)
EVENTS = ("switchover", "leader killed", "leader frozen")
# How often the monitor asks; and how long an event may be felt when the cluster is whole again: so old may the news be.
INTERVAL = 0.5
AFTERMATH = 4 * INTERVAL + 2.0
# The least in a round, and between the end of one event and that of the next.
_LEAST, _LEAST_AGAIN = 200, 10


@dataclass(frozen=True)
class Event:
    """Something that was done to the cluster.

    Args:
        name: what.
        began: when, by `time.monotonic()`.
        promoted: when another server said first that it is a primary; None where none was seen to.
        whole: when the cluster was as it should be.
        ended: when it had been for a while.
    """

    name: str
    began: float
    promoted: float | None
    whole: float
    ended: float


@dataclass
class Round:
    """What all workers of a round know together; each writer writes 1, 2, 3, ... into a row of its own."""

    truth: Truth
    windows: Windows = field(default_factory=lambda: Windows(AFTERMATH))
    # Of commits: writer, number, token.
    tokens: deque[tuple[int, int, str]] = field(default_factory=lambda: deque(maxlen=50))
    written_at: list[float] = field(default_factory=list)
    read_at: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def wrote(self) -> None:
        """Note a commit that has returned."""
        with self._lock:
            self.written_at.append(time.monotonic())

    def read(self, kind: str) -> None:
        """Note an answer."""
        with self._lock:
            self.read_at.setdefault(kind, []).append(time.monotonic())
        self.truth.count(f"reads, {kind}")


def shortfalls(round: Round, events: Sequence[Event]) -> list[str]:
    """What a round had too little of to show anything; empty where it had enough.

    Args:
        round: what was read and written.
        events: what was done.
    """
    found = []
    happened = Counter(event.name for event in events)
    found += [f"there was no {name}" for name in EVENTS if not happened[name]]
    found += [
        f"{event.name}: nobody was seen to be promoted"
        for event in events
        if event.promoted is None or not event.began <= event.promoted <= event.whole
    ]
    done = {"writes": round.written_at, **{f"reads, {kind}": round.read_at.get(kind, []) for kind in (*KINDS, OWN)}}
    for what, moments in done.items():
        if len(moments) < _LEAST:
            found.append(f"only {len(moments)} {what}, and {_LEAST} is the least")
        for event in events:
            after = sum(event.whole < moment <= event.ended for moment in moments)
            if after < _LEAST_AGAIN:
                found.append(f"{event.name}: only {after} {what} afterwards, and {_LEAST_AGAIN} is the least")
    routes = round.truth.counts
    found += [f"no {which}" for which in ("answers of replicas", "answers of the primary") if not routes[which]]
    return found


def longest_gap(moments: Sequence[float], begin: float, end: float) -> float:
    """The longest time within a window in which nothing succeeded, in seconds."""
    inside = sorted(moment for moment in moments if begin <= moment <= end)
    marks = [begin, *inside, end]
    return max(later - earlier for earlier, later in pairwise(marks))
