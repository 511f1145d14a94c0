"""The decision of a transaction that reads from a replica, kept for its next reads, which cost next to nothing then."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from erm_alembic.routing.blocks import Block
from erm_alembic.routing.deciding.selection import fits_until
from erm_alembic.routing.need import Need
from erm_alembic.routing.watching.state import UNKNOWN, ClusterState

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from erm_alembic.routing.cluster import Cluster
    from erm_alembic.routing.connections.nodes import ReplicaNode

__all__ = ["Kept", "need_within", "streams"]


class Kept:
    """A replica, and all that it was chosen by.

    Args:
        cluster: whose replica it is.
        node: the replica.
        engine: its engine that serves the transaction.
        need: what the read needed.
        block: the innermost block around it.
        info: what the session's `info` chose.
    """

    __slots__ = ("_block", "_blocks", "_cluster", "_failed_at", "_info", "_need", "_node", "_state", "_until", "engine")

    def __init__(
        self, cluster: Cluster, node: ReplicaNode, engine: Engine, need: Need, block: Block | None, info: Any
    ) -> None:
        self.engine = engine
        self._cluster, self._node, self._need = cluster, node, need
        self._block, self._info = block, info
        self._blocks = () if block is None else tuple(block.chain())
        self._state: ClusterState = UNKNOWN
        self._failed_at = self._until = float("-inf")

    def holds(self, block: Block | None, info: Any) -> bool:
        """Whether a pure read without options of its own would be decided alike now.

        Args:
            block: the innermost block around it.
            info: what the session's `info` chooses.
        """
        if block is not self._block or info is not self._info:
            return False
        for each in self._blocks:
            if not each.is_open or (each.commits and each.commits.get(self._cluster, 0.0) > self._need.since):
                return False
        state, now = self._cluster.monitor.state, time.monotonic()
        if state is not self._state or self._node.failed_at != self._failed_at:
            # There is news: what follows from it holds until a certain moment.
            self._failed_at = self._node.failed_at
            self._until = fits_until(self._node, state, self._need, now, self._cluster.heard_within)
            self._state = state
        return now <= self._until


def need_within(block: Block | None, need: Need, cluster: Cluster, since: float) -> Need | None:
    """What a read needs within a block and those around it; None where no replica can have it.

    Args:
        block: the innermost block around it; None for none.
        need: what was asked for.
        cluster: whose commits count.
        since: when the session last committed, by `time.monotonic()`.
    """
    after = need.after
    while block is not None:
        if block.is_open:
            entered = block.entered
            if entered.unreachable:
                return None
            if block.commits:
                since = max(since, block.commits.get(cluster, 0.0))
            if entered.after is not None:
                if after is not None and not after.same_history(entered.after):
                    return None
                after = entered.after if after is None else max(after, entered.after, key=lambda at: at.lsn)
        block = block.outer
    if since == need.since and after is need.after:
        return need
    return Need(need.limit, since, after, need.read_only)


def streams(execution_options: Mapping[str, Any]) -> bool:
    """Whether a result is fetched by and by, through a cursor on the server's side.

    Args:
        execution_options: of the statement or of its execution.
    """
    return bool(execution_options.get("yield_per") or execution_options.get("stream_results"))
