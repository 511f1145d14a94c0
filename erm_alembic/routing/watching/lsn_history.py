"""Lag without a common clock: a memory of when the primary stood where in its log."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

__all__ = ["LsnHistory"]

# How far apart two positions of a full memory may be, as a share of their age.
_COARSENESS = 1 / 128


class LsnHistory:
    """The positions that a primary was seen at, each with the moments of this process's own clock.

    A moment is taken before the primary is asked. All that was committed before it is then within the position, and a
    replica that has replayed the position has all of that: no other clock is needed to say so. An idle primary takes
    one place, however long it is idle. A full memory forgets some of its older positions: what it says about long ago
    becomes coarse, never wrong.

    Args:
        span: how far back it remembers, in seconds.
        capacity: how many positions it holds, at least four.

    Example:
        >>> history = LsnHistory()
        >>> for moment, lsn in ((10.0, 100), (11.0, 100), (12.0, 200)):
        ...     history.add(moment, lsn)
        >>> history.fresh_as_of(150), history.lag(150, now=15.0), history.lag(200, now=15.0)
        (11.0, (3.0, False), (0.0, False))
    """

    def __init__(self, span: float = 3600.0, capacity: int = 1024) -> None:
        self._span = span
        self._capacity = capacity
        self._lsns: list[int] = []
        self._first: list[float] = []
        self._last: list[float] = []

    def __len__(self) -> int:
        return len(self._lsns)

    def clear(self) -> None:
        """Forget everything: the history of the log is another one from here on."""
        self._lsns, self._first, self._last = [], [], []

    def add(self, moment: float, lsn: int) -> None:
        """Note where the primary stood.

        One that comes late (an older moment, or a position that was passed already) adds nothing. A history that
        begins anew is the caller's to know, and to `clear`.

        Args:
            moment: seconds of the caller's clock, read before the primary was asked.
            lsn: the position.
        """
        if self._lsns:
            if moment < self._last[-1] or lsn < self._lsns[-1]:
                return
            if lsn == self._lsns[-1]:
                self._last[-1] = moment
                return
        self._lsns.append(lsn)
        self._first.append(moment)
        self._last.append(moment)
        self._forget(moment)

    def fresh_as_of(self, replayed: int) -> float | None:
        """The latest moment before which everything committed is replayed; None where no position is old enough.

        Args:
            replayed: the position that a replica has replayed.
        """
        found = bisect_right(self._lsns, replayed)
        return self._last[found - 1] if found else None

    def lag(self, replayed: int, now: float) -> tuple[float, bool] | None:
        """How long a replica has been behind, in seconds, and whether it may be longer; None while nothing is known.

        Args:
            replayed: the position that it has replayed.
            now: this moment.
        """
        if not self._lsns:
            return None
        found = bisect_right(self._lsns, replayed)
        if found == len(self._lsns):
            return 0.0, False
        return max(0.0, now - self._first[found]), found == 0

    def _forget(self, now: float) -> None:
        expired = bisect_left(self._last, now - self._span)
        if expired:
            self._keep(range(expired, len(self._lsns)))
        if len(self._lsns) > self._capacity:
            share = _COARSENESS
            # A good deal at once: thinning looks at all of them.
            while len(self._lsns) > self._capacity * 3 // 4:
                self._thin(now, share)
                share *= 2

    def _thin(self, now: float, share: float) -> None:
        """Keep of the older ones those that are apart by a share of their age; the oldest says how far it goes back."""
        newest = len(self._last) - 1
        kept = [newest]
        for index in range(newest - 1, -1, -1):
            later = self._last[kept[-1]]
            if index == 0 or later - self._last[index] >= share * (now - later):
                kept.append(index)
        self._keep(kept[::-1])

    def _keep(self, indexes: Sequence[int]) -> None:
        # A position also stands for the ones before it that are forgotten: since the first of them one was behind.
        since = [indexes[0], *(index + 1 for index in indexes[:-1])]
        self._first = [self._first[index] for index in since]
        self._lsns = [self._lsns[index] for index in indexes]
        self._last = [self._last[index] for index in indexes]
