"""Which replicas a read may use, from what is known: without servers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from erm_alembic.config.settings import PoolSettings
from erm_alembic.routing.connections.nodes import ReplicaNode
from erm_alembic.routing.deciding.classify import Classifier
from erm_alembic.routing.deciding.selection import judged
from erm_alembic.routing.limits import LagLimit
from erm_alembic.routing.need import NOTHING_NEEDED, Need
from erm_alembic.routing.options import ReplicaConfig
from erm_alembic.routing.positions import Position
from erm_alembic.routing.watching.state import ClusterState, PrimaryState, ReplicaState

NOW, HEARD_WITHIN = 100.0, 6.0
PRIMARY = PrimaryState(seen_at=99.5, reachable=True, writable=True, system=7, timeline=3, lsn=1000, problem="")
EAST = ReplicaState(
    "east",
    seen_at=99.0,
    reachable=True,
    in_recovery=True,
    follows=True,
    replay_lsn=900,
    timeline=3,
    fresh_as_of=98.0,
    lag=1.0,
    lag_bytes=100,
    problem="",
)


def objection(
    need: Need = NOTHING_NEEDED, replica: ReplicaState = EAST, primary: PrimaryState = PRIMARY, **config: object
) -> str:
    """Why the only replica cannot be taken."""
    described = ReplicaConfig("east", "postgresql://east/shop", **config)  # type: ignore[arg-type]
    node = ReplicaNode(described, described.url, PoolSettings(), {}, Classifier())
    return judged(node, ClusterState(NOW, primary, {"east": replica}), need, NOW, HEARD_WITHIN).why_not


@pytest.mark.parametrize(
    ("need", "expected"),
    [
        (NOTHING_NEEDED, ""),
        (Need(LagLimit(seconds=2.0)), ""),
        (Need(LagLimit(seconds=1.9)), "its lag is above the limit"),
        (Need(LagLimit(bytes=100)), ""),
        (Need(LagLimit(bytes=99)), "its lag in bytes is above the limit"),
        (Need(since=98.0), ""),
        (Need(since=98.1), "not known to have replayed the last commit"),
        (Need(after=Position(7, 3, 900)), ""),
        (Need(after=Position(7, 3, 901)), "it has not replayed the token's commit"),
        (Need(after=Position(7, 2, 1)), "the token is of another history of the database"),
        (Need(after=Position(8, 3, 1)), "the token is of another history of the database"),
    ],
)
def test_what_a_read_needs_is_held_against_what_is_known(need: Need, expected: str) -> None:
    """To the second and the byte."""
    assert objection(need) == expected


@pytest.mark.parametrize(
    ("otherwise", "expected"),
    [
        ({"reachable": False, "problem": "gone"}, "gone"),
        ({"in_recovery": False}, "no standby any more"),
        ({"follows": False}, "not known to follow this primary"),
        ({"seen_at": NOW - HEARD_WITHIN - 0.1}, "nothing was heard of it lately"),
    ],
)
def test_who_cannot_be_trusted_is_not_asked(otherwise: dict[str, object], expected: str) -> None:
    """Whatever the read would take."""
    assert objection(replica=replace(EAST, **otherwise)) == expected  # type: ignore[arg-type]


def test_a_replicas_own_limit_holds_beside_the_reads() -> None:
    """The stricter of both decides."""
    assert objection(max_follower_lag=1.9) == "its lag is above the limit"
    assert objection(Need(LagLimit(seconds=1.9)), max_follower_lag=5) == "its lag is above the limit"
    assert objection(max_follower_lag="99B") == "its lag in bytes is above the limit"


def test_a_limit_in_bytes_asks_for_news_of_the_primary() -> None:
    """How much it has written meanwhile nobody knows: the last known distance says nothing about now."""
    silent = replace(PRIMARY, seen_at=NOW - HEARD_WITHIN - 0.1)
    assert objection(Need(LagLimit(bytes=100)), primary=silent) == "nothing was heard of the primary lately"
    assert objection(primary=silent, max_follower_lag="100B") == "nothing was heard of the primary lately"
    assert objection(primary=silent) == ""


@pytest.mark.parametrize(
    "need", [NOTHING_NEEDED, Need(LagLimit(seconds=2.7)), Need(LagLimit(bytes=100)), Need(LagLimit(3.3), since=98.0)]
)
@pytest.mark.parametrize("lag", [None, "2100ms", "100B"])
def test_what_fits_now_fits_until_the_moment_that_is_said(need: Need, lag: str | None) -> None:
    """At that moment still, and not at the next that there is."""
    described = ReplicaConfig("east", "postgresql://east/shop", max_follower_lag=lag)
    node = ReplicaNode(described, described.url, PoolSettings(), {}, Classifier())
    state = ClusterState(NOW, PRIMARY, {"east": EAST})
    until = judged(node, state, need, NOW, HEARD_WITHIN).until
    assert until > NOW
    assert not judged(node, state, need, until, HEARD_WITHIN).why_not
    later = judged(node, state, need, math.nextafter(until, math.inf), HEARD_WITHIN)
    assert later.why_not
    assert later.until == -math.inf
