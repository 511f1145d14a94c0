"""What was written for certain, and whether an answer fits to it."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Truth", "longest_gap"]


@dataclass
class Truth:
    """What all workers of a round know together; each writer writes 1, 2, 3, ... into a row of its own.

    Args:
        writers: their numbers.
    """

    writers: range
    written_at: list[float] = field(default_factory=list)
    read_at: dict[str, list[float]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._attempted = dict.fromkeys(self.writers, 0)
        self._times: dict[int, list[float]] = {writer: [0.0] for writer in self.writers}
        self._values: dict[int, list[int]] = {writer: [0] for writer in self.writers}
        self._tokens: list[tuple[int, int, str]] = []

    def attempt(self, writer: int) -> int:
        """The next number that a writer writes; whether it is written is not known yet."""
        with self._lock:
            self._attempted[writer] += 1
            return self._attempted[writer]

    def acknowledge(self, writer: int, value: int) -> None:
        """Note a number whose commit has returned."""
        now = time.monotonic()
        with self._lock:
            self._times[writer].append(now)
            self._values[writer].append(value)
            self.written_at.append(now)

    def publish(self, writer: int, value: int, token: str) -> None:
        """Let others read what was written, by its token."""
        with self._lock:
            self._tokens.append((writer, value, token))

    def latest(self) -> tuple[int, int, str] | None:
        """A writer, a number of its, and its token; None before the first."""
        with self._lock:
            return self._tokens[-1] if self._tokens else None

    def written_before(self, writer: int, moment: float) -> int:
        """What a writer had written for certain at a moment."""
        with self._lock:
            return self._values[writer][bisect_right(self._times[writer], moment) - 1]

    def acknowledged(self) -> set[tuple[int, int]]:
        """All that was written for certain."""
        with self._lock:
            return {(writer, value) for writer in self.writers for value in self._values[writer][1:]}

    def check(self, kind: str, writer: int, seen: int | None, least: int, route: object) -> None:
        """Hold an answer against what it has to hold at least, and can hold at most.

        Args:
            kind: of the read.
            writer: whose row it was.
            seen: what it held; None where there was no row.
            least: what it has to hold.
            route: where it was read.
        """
        now = time.monotonic()
        with self._lock:
            self.read_at.setdefault(kind, []).append(now)
            self.counts[f"reads, {kind}"] += 1
            if seen is None or not least <= seen <= self._attempted[writer]:
                self.wrong.append(f"{kind}: {seen} of writer {writer} where {least} was written, by {route}")

    def went(self, is_replica: bool) -> None:
        """Note where a read went."""
        with self._lock:
            self.routes["replica" if is_replica else "primary"] += 1

    def failed(self, kind: str, error: Exception, *, expected: bool) -> None:
        """Note an error that a worker met; one that only a broken session raises is kept."""
        with self._lock:
            self.counts[f"errors, {kind}"] += 1
            if not expected:
                self.broken.append(f"{kind}: {type(error).__name__}: {error}"[:500])


def longest_gap(moments: list[float], begin: float, end: float) -> float:
    """The longest time within a window in which nothing succeeded, in seconds."""
    inside = sorted(moment for moment in moments if begin <= moment <= end)
    marks = [begin, *inside, end]
    return max(later - earlier for earlier, later in pairwise(marks))
