"""What becomes of open connections when the monitor notices something."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from erm_alembic.routing.watching.changes import Change
from erm_alembic.routing.watching.state import ClusterState

if TYPE_CHECKING:
    from erm_alembic.routing.connections.nodes import PrimaryNode, ReplicaNode

__all__ = ["Reactions"]

# No replica has these names.
_PRIMARY, _READS = "", " "


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
        self._lock = threading.Lock()
        self._timers: dict[str, threading.Timer] = {}

    def noticed(self, change: Change) -> None:
        """React to a change, on a thread of the monitor's.

        Args:
            change: what was noticed.
        """
        if change.replica is None:
            if change.what in ("timeline", "system", "writable"):
                self._other_primary(change)
            elif change.what == "reachable":
                with self._lock:
                    self._stop(_READS)
                    if change.now is False:
                        self._start(_READS)
        elif change.what == "reachable":
            with self._lock:
                self._stop(change.replica)
                if change.now is False:
                    self._start(change.replica)

    def stop(self) -> None:
        """Do nothing any more; no thread is left behind."""
        with self._lock:
            timers = list(self._timers.values())
            for name in list(self._timers):
                self._stop(name)
        for timer in timers:  # without the lock, which one that is due may be waiting for
            if timer is not threading.current_thread():
                timer.join()

    def begin_in_child(self) -> None:
        """After a fork: the timers are the parent's, and the lock may be that of a thread that is not here."""
        self._lock, self._timers = threading.Lock(), {}

    def _other_primary(self, change: Change) -> None:
        """Another server answers as primary, or the same one with another history: what is open may lead to the old.

        What was opened while that one still answered does. Nothing it writes now can be kept, and where it stands
        still, nobody would ever tell those who wait for it. Of what was opened since nobody knows where it leads: who
        has had it from before the change, and has it still after some time, is taken to wait for the old one too.
        """
        terminates = change.former_seen_at is not None and change.now is not True
        if terminates:
            self._terminate(change)
            connections = self._primary.open_connections
            timer = threading.Timer(self._patience, lambda: connections.terminate(taken_before=change.at))
            with self._lock:
                self._stop(_PRIMARY)
                self._run(_PRIMARY, timer)
        self._primary.renew(close=True)
        if terminates:  # who was let go may have taken another old one
            self._terminate(change)

    def _terminate(self, change: Change) -> None:
        assert change.former_seen_at is not None
        self._primary.open_connections.terminate(opened_before=change.former_seen_at)

    def _start(self, name: str) -> None:
        timer = threading.Timer(self._patience, lambda: self._let_go(name, timer))
        self._run(name, timer)

    def _run(self, name: str, timer: threading.Timer) -> None:
        timer.name, timer.daemon = f"erm-routing patience {name}", True
        self._timers[name] = timer
        timer.start()

    def _stop(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _let_go(self, name: str, timer: threading.Timer) -> None:
        """Have the reads that wait for a replica asked elsewhere, and those that were on their way to it later.

        Those that wait for the primary get an error. What may write goes on waiting: whether that is there, nobody
        could say.
        """
        nodes, state = self._known()
        server = state.primary if name == _READS else state.replicas.get(name)
        with self._lock:
            if self._timers.get(name) is not timer:
                return
            if server is None or server.reachable:
                del self._timers[name]
                return
            self._start(name)
        if name == _READS:
            self._primary.open_connections.terminate(only_reads=True)
            return
        for node in nodes:
            if node.name == name:
                node.open_connections.terminate()
