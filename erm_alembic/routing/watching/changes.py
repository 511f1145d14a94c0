"""What has changed between two moments of a cluster, in words for its log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from erm_alembic.routing.watching.state import ClusterState, PrimaryState, ReplicaState, Trouble

__all__ = ["Change", "changes_between"]

What = Literal["reachable", "writable", "in_recovery", "follows", "timeline", "system"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that has become otherwise.

    Args:
        replica: the replica's name; None for the primary.
        what: the attribute of its state, of which `now` is the new value.
        now: that value; None is unknown.
        at: when it was noticed, by `time.monotonic()`.
        problem: why the server cannot be used now, in words without secrets; empty when it can.
        former_seen_at: when it was last known to be otherwise, by `time.monotonic()`; None where that never was.
    """

    replica: str | None
    what: What
    now: bool | int | None
    at: float
    problem: str = ""
    former_seen_at: float | None = None

    @property
    def is_loss(self) -> bool:
        """Whether somebody should look at it."""
        return self.now is False or self.now is None or (self.replica is None and self.what in ("timeline", "system"))

    def __str__(self) -> str:
        server = "the primary" if self.replica is None else f"replica {self.replica!r}"
        said = f"{server} {self._predicate()}"
        return f"{said}: {self.problem}" if self.problem else said

    def _predicate(self) -> str:
        if isinstance(self.now, bool):
            return _PREDICATES[self.what, self.now]
        verb = "writes" if self.replica is None else "follows"
        return f"{verb} timeline {self.now}" if self.what == "timeline" else f"belongs to the cluster {self.now}"


_PREDICATES: dict[tuple[str, bool], str] = {
    ("reachable", True): "is reachable",
    ("reachable", False): "is not reachable",
    ("writable", True): "can be written",
    ("writable", False): "cannot be written",
    ("in_recovery", True): "is a standby",
    ("in_recovery", False): "is no standby",
    ("follows", True): "follows the primary",
    ("follows", False): "is not known to follow the primary",
}
_OF_A_PRIMARY: tuple[What, ...] = ("writable", "system", "timeline")
_OF_A_REPLICA: tuple[What, ...] = ("in_recovery", "follows", "timeline")


def changes_between(before: ClusterState, after: ClusterState, at: float) -> Iterator[Change]:
    """What is otherwise in the later state; a first answer is one change, not one for each thing that it says.

    Args:
        before: the earlier state.
        after: the later state.
        at: when the later one was taken, by `time.monotonic()`.
    """
    yield from _of_server(None, before.primary, after.primary, _OF_A_PRIMARY, at)
    for name, replica in after.replicas.items():
        yield from _of_server(name, before.replicas.get(name, ReplicaState(name)), replica, _OF_A_REPLICA, at)


def _of_server(
    replica: str | None,
    before: PrimaryState | ReplicaState,
    after: PrimaryState | ReplicaState,
    attributes: tuple[What, ...],
    at: float,
) -> Iterator[Change]:
    is_first = before.trouble is Trouble.NOT_ASKED is not after.trouble
    if is_first or before.reachable != after.reachable:
        yield Change(replica, "reachable", after.reachable, at, after.problem)
    if before.seen_at is None:
        return
    for attribute in attributes:
        now = getattr(after, attribute)
        if getattr(before, attribute) != now and now is not None:
            yield Change(replica, attribute, now, at, after.problem, before.seen_at)
