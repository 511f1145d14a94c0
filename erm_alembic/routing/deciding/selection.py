"""Which replicas a read may use, and which of these it takes: pure functions over what the monitor published."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from erm_alembic.routing.limits import LagLimit
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import ReplicaConfig
from erm_alembic.routing.watching.state import ClusterState, ReplicaState

__all__ = ["Candidate", "Judge", "Verdict", "judged", "least_loaded"]


class Candidate(Protocol):
    """What counts of a replica here."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def config(self) -> ReplicaConfig:
        """What was said of it."""

    @property
    def limit(self) -> LagLimit:
        """How far behind it may be read, whatever a read allows."""

    @property
    def failed_at(self) -> float:
        """When it last failed a read, by `time.monotonic()`."""

    def in_use(self, asynchronous: bool) -> int:
        """How many of its connections are in use."""


class Verdict(NamedTuple):
    """Whether a replica can be taken for a read.

    Args:
        why_not: why it cannot; empty where it can.
        until: the moment until which it can if there is no other news; long past where it cannot.
    """

    why_not: str
    until: float


# Judges a replica by what is known at a moment: as `judged` does.
Judge = Callable[[Candidate, ClusterState, Need, float, float], Verdict]
Server = TypeVar("Server", bound=Candidate)

_LONG_PAST = float("-inf")


def judged(node: Candidate, state: ClusterState, need: Need, now: float, heard_within: float) -> Verdict:
    """Whether a replica can be taken for a read: what time ends is said once, with why and until when.

    Args:
        node: the replica.
        state: what is known of the servers.
        need: what the read needs.
        now: `time.monotonic()`.
        heard_within: how old the monitor's news of it may be, in seconds.
    """
    replica = state.replicas.get(node.name)
    if replica is None or replica.seen_at is None or not replica.reachable:
        return _no("not reachable" if replica is None or not replica.problem else replica.problem)
    if not replica.in_recovery:
        return _no(replica.problem or "no standby any more")
    if not replica.follows:
        return _no(replica.problem or "not known to follow this primary")
    until = replica.seen_at + heard_within
    if now > until:
        return _no("nothing was heard of it lately")
    if node.failed_at >= replica.seen_at:
        return _no("it failed a moment ago")
    if need.read_only and not node.config.read_only:
        return _no("not declared read_only")
    for limit in (need.limit, node.limit):
        if limit.seconds is not None:
            ends_at = _LONG_PAST if replica.fresh_as_of is None else replica.fresh_as_of + limit.seconds
            if now > ends_at:
                return _no("its lag is above the limit")
            until = min(until, ends_at)
        if limit.bytes is not None:
            if replica.lag_bytes is None or replica.lag_bytes > limit.bytes:
                return _no("its lag in bytes is above the limit")
            # Later than that the primary may have written any number of bytes.
            ends_at = _LONG_PAST if state.primary.seen_at is None else state.primary.seen_at + heard_within
            if now > ends_at:
                return _no("nothing was heard of the primary lately")
            until = min(until, ends_at)
    behind = _why_behind(replica, state, need)
    return _no(behind) if behind else Verdict("", until)


def _no(why: str) -> Verdict:
    return Verdict(why, _LONG_PAST)


def _why_behind(replica: ReplicaState, state: ClusterState, need: Need) -> str:
    if need.since and (replica.fresh_as_of is None or replica.fresh_as_of < need.since):
        return "not known to have replayed the last commit"
    after = need.after
    if after is None:
        return ""
    if after.system != state.primary.system or after.timeline != state.primary.timeline:
        return "the token is of another history of the database"
    if replica.replay_lsn is None or replica.replay_lsn < after.lsn:
        return "it has not replayed the token's commit"
    return ""


def least_loaded(nodes: Sequence[Server], asynchronous: bool) -> Server:
    """The less loaded of two that are drawn by weight; of one, that one.

    Args:
        nodes: those that can be taken, at least one.
        asynchronous: whether the connections of the asynchronous engines are counted.
    """
    if len(nodes) == 1:
        return nodes[0]
    first = _drawn(nodes)
    second = _drawn([node for node in nodes if node is not first])
    return min(first, second, key=lambda node: node.in_use(asynchronous) / node.config.weight)


def _drawn(nodes: Sequence[Server]) -> Server:
    if len(nodes) == 1:
        return nodes[0]
    left = random.random() * sum(node.config.weight for node in nodes)
    for node in nodes:
        left -= node.config.weight
        if left < 0:
            return node
    return nodes[-1]
