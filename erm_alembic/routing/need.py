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


NOTHING_NEEDED = Need()
