"""What a read needs where it stands: what it asks for itself, and what the blocks around it have to see."""

from __future__ import annotations

from erm_alembic.routing.blocks import Block
from erm_alembic.routing.need import Need

__all__ = ["need_within"]


def need_within(block: Block | None, need: Need, whose: object, since: float) -> Need | None:
    """What a read needs within a block and those around it; None where no replica can have it.

    Args:
        block: the innermost block around it; None for none.
        need: what was asked for.
        whose: under which the blocks note the commits that count.
        since: when the session last committed, by `time.monotonic()`.
    """
    after = need.after
    while block is not None:
        if block.is_open:
            entered = block.entered
            if entered.unreachable:
                return None
            if block.commits:
                since = max(since, block.commits.get(whose, 0.0))
            if entered.after is not None:
                if after is not None and not after.same_history(entered.after):
                    return None
                after = entered.after if after is None else max(after, entered.after, key=lambda at: at.lsn)
        block = block.outer
    if since == need.since and after is need.after:
        return need
    return Need(need.limit, since, after, need.read_only)
