"""How many reads the primary takes over when replicas are missing, so that dying replicas do not bring it down too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Budget", "FallbackBudget"]

# The share is that of the reads of so many seconds.
_WINDOW = 10.0


@dataclass(frozen=True)
class FallbackBudget:
    """The most that may fall back to the primary; beyond it a read raises `NoReplicaAvailable`.

    Args:
        share: of the reads that opted in to replicas, the greatest part that may; from 0 to 1, None sets no bound.
        rate: reads a second; None sets no bound.
        at_least: so many in ten seconds always may, so that a quiet application is not refused for a share of little.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> FallbackBudget(share=0.2, rate=100)
        FallbackBudget(share=0.2, rate=100, at_least=20)
    """

    share: float | None = None
    rate: float | None = None
    at_least: int = 20

    def __post_init__(self) -> None:
        if self.share is not None and not 0 <= self.share <= 1:
            raise ValueError(f"a share lies between 0 and 1: {self.share!r} does not")
        if self.rate is not None and not self.rate > 0:
            raise ValueError(f"a rate is positive: {self.rate!r} is not")
        if self.at_least < 0:
            raise ValueError(f"at_least is not negative: {self.at_least!r}")


class Budget:
    """What is left of a `FallbackBudget` in this process.

    Args:
        limits: the budget.
        clock: seconds that only grow.
    """

    def __init__(self, limits: FallbackBudget, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._began = clock()
        self._reads = self._taken = 0  # in this window
        self._former_reads = self._former_taken = 0  # in the one before
        self._tokens, self._filled_at = limits.rate or 0.0, self._began

    def read(self) -> None:
        """Count a read that a replica answers."""
        with self._lock:
            self._reads += 1

    def begin_in_child(self) -> None:
        """After a fork: the lock may be that of a thread that is not here."""
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Count a read that no replica can answer; whether the primary may."""
        with self._lock:
            now = self._clock()
            self._turn(now)
            self._reads += 1
            if not (self._is_within_share(now, self._reads) and self._is_within_rate(now)):
                return False
            self._taken += 1
            self._tokens -= 1
            return True

    def allows(self) -> bool:
        """Whether the primary may answer a read that no replica can; counts none."""
        with self._lock:
            now = self._clock()
            self._turn(now)
            return self._is_within_share(now, self._reads + 1) and self._is_within_rate(now)

    def _turn(self, now: float) -> None:
        passed = now - self._began
        if passed >= _WINDOW:
            kept = passed < 2 * _WINDOW
            self._former_reads, self._former_taken = (self._reads, self._taken) if kept else (0, 0)
            self._reads = self._taken = 0
            self._began = now

    def _is_within_share(self, now: float, reads: int) -> bool:
        if self._limits.share is None:
            return True
        # The window before counts with the part of it that the last ten seconds still hold.
        rest = 1 - (now - self._began) / _WINDOW
        taken = self._taken + self._former_taken * rest
        return taken < self._limits.at_least or taken < self._limits.share * (reads + self._former_reads * rest)

    def _is_within_rate(self, now: float) -> bool:
        rate = self._limits.rate
        if rate is None:
            return True
        self._tokens = min(max(rate, 1.0), self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        return self._tokens >= 1
