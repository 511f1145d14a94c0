"""What becomes of open connections when the monitor notices something."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from erm_alembic.routing.changes import Change
from erm_alembic.routing.state import ClusterState

if TYPE_CHECKING:
    from erm_alembic.routing.nodes import PrimaryNode, ReplicaNode

__all__ = ["Reactions"]


class Reactions:
    """Lets go of connections that lead to where nobody answers any more.

    Args:
        primary: the primary.
        known: gives the replicas there are, and what is known of them.
        patience: how long a replica may not answer the monitor before reads that wait for it are asked elsewhere, in
            seconds.
    """

    def __init__(
        self,
        primary: PrimaryNode,
        known: Callable[[], tuple[Sequence[ReplicaNode], ClusterState]],
        patience: float,
    ) -> None:
        self._primary, self._known, self._patience = primary, known, patience
        self._timers: dict[str, threading.Timer] = {}
        self._process = os.getpid()

    def noticed(self, change: Change) -> None:
        """React to a change, on a thread of the monitor's.

        Args:
            change: what was noticed.
        """
        if change.replica is None:
            if change.what in ("timeline", "system", "writable"):
                self._other_primary(change)
        elif change.what == "reachable":
            self._stop(change.replica)
            if change.now is False:
                self._start(change.replica)

    def stop(self) -> None:
        """Do nothing any more."""
        for name in list(self._timers):
            self._stop(name)

    def _other_primary(self, change: Change) -> None:
        """Another server answers as primary, or the same one with another history: what is open may lead to the old.

        What was opened while that one still answered does. Nothing it writes now can be kept, and where it stands
        still, nobody would ever tell those who wait for it.
        """
        self._primary.renew(close=True)
        if change.former_seen_at is not None and change.now is not True:
            self._primary.lines.sever(opened_before=change.former_seen_at)

    def _start(self, name: str) -> None:
        timer = threading.Timer(self._patience, self._let_go, [name])
        timer.name, timer.daemon = f"erm-routing patience {name}", True
        self._timers[name] = timer
        timer.start()

    def _stop(self, name: str) -> None:
        if self._process != os.getpid():  # a timer of the parent's is none here
            self._process, self._timers = os.getpid(), {}
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _let_go(self, name: str) -> None:
        """Have the reads that wait for a replica asked elsewhere, and those that were on their way to it later."""
        nodes, state = self._known()
        replica = state.replicas.get(name)
        if replica is None or replica.reachable or name not in self._timers:
            return
        for node in nodes:
            if node.name == name:
                node.lines.sever()
                self._start(name)
