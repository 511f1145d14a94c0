"""Which replicas a read may use, and which of these it takes: pure functions over what the monitor published."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from erm_alembic.routing.need import Need
from erm_alembic.routing.watching.state import ClusterState, ReplicaState

if TYPE_CHECKING:
    from erm_alembic.routing.connections.nodes import ReplicaNode

__all__ = ["fits_until", "least_loaded", "why_not"]


_LONG_PAST = float("-inf")


def why_not(node: ReplicaNode, state: ClusterState, need: Need, now: float, heard_within: float) -> str:
    """Why a replica cannot be taken for a read; empty where it can.

    Args:
        node: the replica.
        state: what is known of the servers.
        need: what the read needs.
        now: `time.monotonic()`.
        heard_within: how old the monitor's news of it may be, in seconds.
    """
    return _judged(node, state, need, now, heard_within)[0]


def fits_until(node: ReplicaNode, state: ClusterState, need: Need, now: float, heard_within: float) -> float:
    """The moment until which a replica can be taken for a read if there is no other news; long past where it cannot.

    Args:
        node: the replica.
        state: what is known of the servers.
        need: what the read needs.
        now: `time.monotonic()`.
        heard_within: how old the monitor's news of it may be, in seconds.
    """
    return _judged(node, state, need, now, heard_within)[1]


def _judged(node: ReplicaNode, state: ClusterState, need: Need, now: float, heard_within: float) -> tuple[str, float]:
    """Why a replica cannot be taken, and until when it can: what time ends is said once, with both."""
    replica = state.replicas.get(node.name)
    if replica is None or replica.seen_at is None or not replica.reachable:
        return "not reachable" if replica is None or not replica.problem else replica.problem, _LONG_PAST
    if not replica.in_recovery:
        return replica.problem or "no standby any more", _LONG_PAST
    if not replica.follows:
        return replica.problem or "not known to follow this primary", _LONG_PAST
    until = replica.seen_at + heard_within
    if now > until:
        return "nothing was heard of it lately", _LONG_PAST
    if node.failed_at >= replica.seen_at:
        return "it failed a moment ago", _LONG_PAST
    if need.read_only and not node.config.read_only:
        return "not declared read_only", _LONG_PAST
    for limit in (need.limit, node.limit):
        if limit.seconds is not None:
            ends_at = _LONG_PAST if replica.fresh_as_of is None else replica.fresh_as_of + limit.seconds
            if now > ends_at:
                return "its lag is above the limit", _LONG_PAST
            until = min(until, ends_at)
        if limit.bytes is not None:
            if replica.lag_bytes is None or replica.lag_bytes > limit.bytes:
                return "its lag in bytes is above the limit", _LONG_PAST
            # Later than that the primary may have written any number of bytes.
            ends_at = _LONG_PAST if state.primary.seen_at is None else state.primary.seen_at + heard_within
            if now > ends_at:
                return "nothing was heard of the primary lately", _LONG_PAST
            until = min(until, ends_at)
    behind = _why_behind(replica, state, need)
    return behind, _LONG_PAST if behind else until


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


def least_loaded(nodes: Sequence[ReplicaNode], asynchronous: bool) -> ReplicaNode:
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


def _drawn(nodes: Sequence[ReplicaNode]) -> ReplicaNode:
    if len(nodes) == 1:
        return nodes[0]
    left = random.random() * sum(node.config.weight for node in nodes)
    for node in nodes:
        left -= node.config.weight
        if left < 0:
            return node
    return nodes[-1]
