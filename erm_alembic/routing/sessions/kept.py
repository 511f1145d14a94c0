"""The decision of a transaction that reads from a replica, kept for its next reads, which cost next to nothing then."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine

from erm_alembic.routing.blocks import Block
from erm_alembic.routing.connections.nodes import ReplicaNode
from erm_alembic.routing.need import Need
from erm_alembic.routing.router import Router
from erm_alembic.routing.sessions.choosing import Chooser
from erm_alembic.routing.watching.state import UNKNOWN, ClusterState

__all__ = ["KeptDecision"]


class KeptDecision:
    """A replica, and all that it was chosen by.

    Args:
        router: chose it.
        node: the replica.
        engine: its engine that serves the transaction.
        need: what the read needed.
        started: when its server was started.
        chooser: knows the blocks that the session is in.
        info: what the session's `info` chose.
    """

    __slots__ = (
        "_block",
        "_blocks",
        "_failed_at",
        "_info",
        "_need",
        "_node",
        "_router",
        "_source",
        "_started",
        "_state",
        "_until",
        "engine",
    )

    def __init__(
        self,
        router: Router,
        node: ReplicaNode,
        engine: Engine,
        need: Need,
        started: float | None,
        chooser: Chooser,
        info: Any,
    ) -> None:
        self.engine = engine
        self._router, self._source, self._node, self._need = router, router.source, node, need
        self._started = started
        self._block, self._info = chooser.block(), info
        self._blocks = () if self._block is None else tuple(chooser.blocks())
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
            if not each.is_open or (each.commits and each.commits.get(self._router, 0.0) > self._need.since):
                return False
        state, now = self._source.state, time.monotonic()
        if state is not self._state or self._node.failed_at != self._failed_at:
            # There is news: what follows from it holds until a certain moment.
            self._failed_at = self._node.failed_at
            moved = self._router.has_moved(self._node, self._started)
            self._until = float("-inf") if moved else self._router.judged(self._node, self._need, now, state).until
            self._state = state
        return now <= self._until
