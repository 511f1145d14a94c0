"""What was written, by the word of those who wrote it; and whether an answer may be what somebody read.

Each key of `counters` has one writer, who writes 1, 2, 3 ... and notes the moment at which each commit had returned. So
a value says which commits its reader saw, and this process's own clock says which it had to see.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from erm_alembic.routing.positions import Position

__all__ = ["Answer", "Truth"]


@dataclass(frozen=True)
class Answer:
    """What was read of one key, and what the reader had been promised.

    Args:
        key: the key.
        value: what was read.
        began_at: a moment before it was asked for.
        server: where the answer came from.
        asked: in which words, for the report.
        max_age: it holds everything that was committed so many seconds before it was asked for; None promises nothing.
        floor: at least this value was promised, by a token or by the reader's own commit.
        max_bytes: it holds everything but the last so many bytes of the log; None promises nothing.
    """

    key: int
    value: int
    began_at: float
    server: str
    asked: str
    max_age: float | None = None
    floor: int = 0
    max_bytes: int | None = None


@dataclass
class _Key:
    """The commits of one key, in their order: numbers, moments at which they had returned, positions of some."""

    attempted: int = 0
    numbers: list[int] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    positions: list[tuple[Position, int]] = field(default_factory=list)


class Truth:
    """What all workers of a run know together.

    Args:
        heard_within: how old the routing's news of a server may be, in seconds: a limit in bytes counts from there.
    """

    def __init__(self, heard_within: float) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._heard_within = heard_within
        self._lock = threading.Lock()
        self._keys: dict[int, _Key] = defaultdict(_Key)
        self._positions: list[tuple[float, Position]] = []
        self._failovers: list[float] = []

    def count(self, what: str, number: int = 1) -> None:
        """Count something so many times more."""
        with self._lock:
            self.counts[what] += number

    # What is written.

    def begin_write(self, key: int) -> int:
        """The number that the key's writer writes next; whether it will be there nobody knows yet."""
        with self._lock:
            self._keys[key].attempted += 1
            return self._keys[key].attempted

    def committed(self, key: int, number: int) -> None:
        """Note that the commit of a number has returned."""
        with self._lock:
            known = self._keys[key]
            known.numbers.append(number)
            known.moments.append(time.monotonic())

    def note_position(self, key: int, number: int, position: Position) -> None:
        """Note a position that was had after the commit of a number."""
        with self._lock:
            self._keys[key].positions.append((position, number))
            self._positions.append((time.monotonic(), position))

    def note_failover(self) -> None:
        """Note that another server becomes the primary."""
        with self._lock:
            self._failovers.append(time.monotonic())

    def acknowledged(self) -> Mapping[int, list[int]]:
        """By key the numbers whose commits have returned."""
        with self._lock:
            return {key: list(known.numbers) for key, known in self._keys.items()}

    def attempted(self) -> Mapping[int, int]:
        """By key the last number that somebody tried to write."""
        with self._lock:
            return {key: known.attempted for key, known in self._keys.items()}

    def floors(self) -> Mapping[int, int]:
        """By key the last number whose commit has returned by now."""
        with self._lock:
            return {key: known.numbers[-1] for key, known in self._keys.items() if known.numbers}

    # What is read.

    def judge(self, answer: Answer) -> None:
        """Count an answer, and keep what is wrong with it."""
        self.count("answers of the primary" if answer.server == "primary" else "answers of replicas")
        wrong = self.objection(answer)
        if wrong:
            self.count("wrong answers")
            self.accuse(f"{answer.asked}, answered by {answer.server}: key {answer.key} is {answer.value}, {wrong}")

    def objection(self, answer: Answer) -> str:
        """Why an answer is older than was promised, or of nobody's writing; empty where it may be."""
        with self._lock:
            known = self._keys[answer.key]
            if answer.value > known.attempted:
                return f"and nobody has written more than {known.attempted}"
            if answer.value < answer.floor:
                return f"and {answer.floor} was promised"
            # What the primary says is never old.
            max_age = 0.0 if answer.server == "primary" else answer.max_age
            if max_age is not None:
                seen = bisect_right(known.moments, answer.began_at - max_age)
                if seen and answer.value < known.numbers[seen - 1]:
                    ago = answer.began_at - known.moments[seen - 1]
                    return (
                        f"and {known.numbers[seen - 1]} was committed {ago:.3f} s before, of which {max_age:g} may go"
                    )
            expected = self._within_bytes(known, answer)
            return f"and {expected} is further back than {answer.max_bytes} bytes" if answer.value < expected else ""

    def accuse(self, violation: str) -> None:
        """Keep what must not be."""
        self.violations.append(violation)

    def _within_bytes(self, known: _Key, answer: Answer) -> int:
        """The number that an answer within so many bytes of the primary must hold at least."""
        if answer.max_bytes is None:
            return 0
        horizon = answer.began_at - self._heard_within
        heard = [position for moment, position in self._positions if moment <= horizon]
        if not heard or any(moment >= horizon - 1.0 for moment in self._failovers):
            return 0
        # The primary was known to have come at least so far.
        timeline = max(position.timeline for position in heard)
        primary = max(position.lsn for position in heard if position.timeline == timeline)
        return max(
            (
                number
                for position, number in known.positions
                if position.timeline == timeline and position.lsn <= primary - answer.max_bytes
            ),
            default=0,
        )
