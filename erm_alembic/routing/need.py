"""What a read needs of the replica that it may use."""

from __future__ import annotations

from dataclasses import dataclass

from erm_alembic.routing.limits import ANY_LAG, LagLimit
from erm_alembic.routing.positions import Position

__all__ = ["NOTHING_NEEDED", "Need"]


@dataclass(frozen=True, slots=True)
class Need:
    """What a read needs of a replica.

    Args:
        limit: how stale the answer may be.
        since: everything that was committed before this moment (`time.monotonic()`) has to be seen.
        after: a position that has to be replayed; None for none.
        read_only: only a replica that is declared read-only.
    """

    limit: LagLimit = ANY_LAG
    since: float = 0.0
    after: Position | None = None
    read_only: bool = False

    def covers(self, other: Need) -> bool:
        """Whether what has all that is needed here has all that another read needs.

        Args:
            other: what that one needs.

        Example:
            >>> Need(since=2.0).covers(Need(since=1.0)), Need().covers(Need(LagLimit(seconds=5)))
            (True, False)
        """
        if other.since > self.since or (other.read_only and not self.read_only):
            return False
        if other.after is not None and (
            self.after is None or not self.after.same_history(other.after) or self.after.lsn < other.after.lsn
        ):
            return False
        return self.limit.tightened(other.limit) == self.limit


NOTHING_NEEDED = Need()
