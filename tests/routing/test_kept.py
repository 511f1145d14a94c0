"""A decision is kept within a transaction for as long as it would be made alike: without servers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
import sqlalchemy as sa

from erm_alembic.postgres.volatility import Volatility
from erm_alembic.routing import (
    Cluster,
    FallbackBudget,
    NoReplicaAvailable,
    ReplicaConfig,
    RoutingSession,
    connect_cluster,
    primary,
    replica_read,
)
from erm_alembic.routing.scope import CausalScope
from erm_alembic.routing.sessions.transaction import RoutedTransaction
from erm_alembic.routing.watching.state import ClusterState, PrimaryState, ReplicaState
from tests.routing.applications import User

READ = sa.select(User)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster whose only replica is known to be fresh; nobody is ever asked."""
    with connect_cluster(
        "postgresql://x@/x", [ReplicaConfig("east", "postgresql://x@/y")], fallback_budget=FallbackBudget(share=0.5)
    ) as cluster:
        monkeypatch.setattr(cluster.monitor, "start", lambda: None)
        nothing: frozenset[str] = frozenset()
        cluster.router.classifier.learn(Volatility(nothing, nothing, nothing, nothing, frozenset({"users"})))
        hear(cluster)
        yield cluster


def hear(cluster: Cluster, **otherwise: Any) -> None:
    """Let the cluster have news of its replica."""
    now = time.monotonic()
    east = ReplicaState(
        "east", now, True, True, True, replay_lsn=5, timeline=1, fresh_as_of=now, lag=0.0, lag_bytes=0, problem=""
    )
    state = MappingProxyType({"east": replace(east, **otherwise)})
    cluster.monitor.state = ClusterState(now, PrimaryState(now, True, True, 7, 1, 5, ""), state)


def where(session: RoutingSession, statement: Any = READ, **options: Any) -> str:
    """Where a statement goes."""
    engine = session.get_bind(sa.inspect(User), clause=statement, **options)
    return "primary" if engine is session._router.primary.engine() else "east"


@pytest.fixture
def session(cluster: Cluster) -> RoutingSession:
    """A session in a transaction that reads from the replica, and has decided so twice."""
    session: RoutingSession = cluster.sessionmaker(read=True)()
    assert (where(session), where(session)) == ("east", "east")
    return session


def test_nothing_is_decided_again_while_nothing_changes(session: RoutingSession, cluster: Cluster) -> None:
    """Whatever the statement, if only it reads; and each of them counts."""
    kept, counted = session._routed.kept, cluster.router.budget._reads  # type: ignore[union-attr] # it has one
    assert kept is not None
    assert where(session, sa.select(User.id).where(User.id == 7)) == "east"
    hear(cluster)
    assert where(session) == "east"
    assert session._routed.kept is kept
    assert cluster.router.budget._reads == counted + 2  # type: ignore[union-attr] # it has one


def test_a_write_is_none_of_the_kept_decision(session: RoutingSession) -> None:
    """Nor is a lock, text, or what nobody knows; and the transaction stays where that goes."""
    assert where(session, sa.select(User).with_for_update()) == "primary"
    assert session._routed.kept is None
    assert where(session) == "primary"


@pytest.mark.parametrize(
    "news",
    [
        {"reachable": False},
        {"in_recovery": False},
        {"follows": False},
        {"seen_at": 0.0},
    ],
)
def test_news_of_the_replica_end_it(news: dict[str, Any], session: RoutingSession, cluster: Cluster) -> None:
    """From the next read on."""
    hear(cluster, **news)
    assert where(session) == "primary"


def test_a_failure_ends_it(session: RoutingSession, cluster: Cluster) -> None:
    """Also one that another session has met."""
    cluster.replicas[0].failed()
    assert where(session) == "primary"


def test_time_ends_it(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any news: what was fresh enough a moment ago is not for good."""
    now = time.monotonic()
    with cluster.sessionmaker()() as session, replica_read(max_lag=5):
        assert (where(session), where(session)) == ("east", "east")
        monkeypatch.setattr("time.monotonic", lambda: now + 4.9)
        assert where(session) == "east"
        monkeypatch.setattr("time.monotonic", lambda: now + 5.5)
        assert where(session) == "primary"
        monkeypatch.undo()


def test_another_block_is_another_question(session: RoutingSession, cluster: Cluster) -> None:
    """A stricter one, the primary's, one that was left, and what the session's info says."""
    with replica_read(max_lag=0, disable_fallback=True), pytest.raises(NoReplicaAvailable):
        where(session)
    assert where(session) == "east"
    session.info["replica_read"] = True
    assert where(session) == "east"
    session.info["replica_read"] = False
    assert where(session) == "primary"
    other = cluster.sessionmaker()()
    block = replica_read()
    with block:
        assert (where(other), where(other)) == ("east", "east")
    assert where(other) == "primary"


def test_an_option_of_the_statement_is_heard(session: RoutingSession) -> None:
    """Or of its execution."""
    assert where(session, READ.execution_options(replica_read=True)) == "east"
    assert where(session, READ, replica_read=False) == "primary"


def test_a_savepoint_is_the_primarys(session: RoutingSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was read before."""
    monkeypatch.setattr(session, "in_nested_transaction", lambda: True)
    assert where(session) == "primary"


def test_a_commit_of_the_same_unit_of_work_is_to_be_seen(cluster: Cluster) -> None:
    """That another session of it has made meanwhile."""
    with CausalScope(cluster) as scope, cluster.sessionmaker(read=True)() as session:
        assert (where(session), where(session)) == ("east", "east")
        assert scope._block is not None
        scope._block.commits[cluster.router] = time.monotonic()
        assert where(session) == "primary"


def test_the_next_transaction_decides_anew(session: RoutingSession, cluster: Cluster) -> None:
    """Also where the last one was the primary's."""
    with primary():
        assert where(session) == "primary"
    session._routed = RoutedTransaction(session._routed)
    assert where(session) == "east"
