"""Lag without a common clock: a memory of when the primary stood where in its log."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

__all__ = ["LsnRing"]


class LsnRing:
    """The positions that a primary was seen at, each with the moments of this process's own clock.

    A moment is taken before the primary is asked. All that was committed before it is then within the position, and a
    replica that has replayed the position has all of that: no other clock is needed to say so. An idle primary takes
    one place, however long it is idle. A full memory forgets every other one of its older positions: what it says
    about long ago becomes coarse, never wrong.

    Args:
        span: how far back it remembers, in seconds.
        capacity: how many positions it holds, at least four.

    Example:
        >>> ring = LsnRing()
        >>> for moment, lsn in ((10.0, 100), (11.0, 100), (12.0, 200)):
        ...     ring.add(moment, lsn)
        >>> ring.fresh_as_of(150), ring.lag(150, now=15.0), ring.lag(200, now=15.0)
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

        A position behind the last one is of another history, whatever its timeline says: the older ones are forgotten.

        Args:
            moment: seconds of the caller's clock, read before the primary was asked.
            lsn: the position.
        """
        if self._lsns and lsn < self._lsns[-1]:
            self.clear()
        if self._lsns and moment < self._last[-1]:
            return
        if self._lsns and lsn == self._lsns[-1]:
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
            self._keep(slice(expired, None))
        if len(self._lsns) > self._capacity:
            older = self._capacity // 2
            kept = [*range(0, older, 2), *range(older, len(self._lsns))]
            for values in (self._lsns, self._first, self._last):
                values[:] = [values[index] for index in kept]

    def _keep(self, part: slice) -> None:
        self._lsns, self._first, self._last = self._lsns[part], self._first[part], self._last[part]
