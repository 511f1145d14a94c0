"""What is explained is what is done: the same rules decide, refuse and explain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import with_loader_criteria

from erm_alembic.routing import (
    FallbackBudget,
    NoReplicaAvailable,
    ReplicaReadOptions,
    WritePrevented,
    causal,
    primary,
    replica_read,
)
from erm_alembic.routing.deciding.reasons import Why
from erm_alembic.testing.lagging import LaggingReplica
from tests.routing.applications import Base, User
from tests.support.databases import Database

USERS = sa.select(User)
NO_BUDGET = FallbackBudget(share=0.0, at_least=1)


@pytest.fixture
def replica(one_database: Database) -> Iterator[LaggingReplica]:
    """A replica, of which the primary takes over one read."""
    with LaggingReplica(one_database.url, fallback_budget=NO_BUDGET) as replica:
        Base.metadata.create_all(replica.cluster.writer())
        replica.advance()
        yield replica


def test_what_a_block_prevents_is_not_explained_as_sent(replica: LaggingReplica) -> None:
    """A write within it raises, and that is what is said of it."""
    with replica.cluster.sessionmaker()() as session, replica_read(prevent_writes=True):
        for statement in (sa.delete(User), USERS.with_for_update()):
            explained = session.explain(statement)
            assert explained.route is None
            assert explained.refused == "something is written within a block that prevents writes"
            with pytest.raises(WritePrevented):
                session.execute(statement)
        assert session.explain(USERS).route is not None


def test_what_mapping_adds_is_explained(replica: LaggingReplica) -> None:
    """A statement as it is written may be a read where what is sent is none."""
    with replica.cluster.sessionmaker(read=True)() as session:
        statement = sa.select(User).options(with_loader_criteria(User, User.id > sa.func.random()))
        explained = session.explain(statement)
        session.execute(statement).all()
        assert session.last_route is not None and explained.route is not None
        assert (explained.route.name, session.last_route.name) == ("primary", "primary")
        assert "random is volatile" in explained.read


def test_a_cluster_explains_what_the_blocks_around_it_say(replica: LaggingReplica) -> None:
    """As a new session there does it."""
    explain = replica.cluster.explain

    def goes_to_replica() -> bool:
        route = explain(USERS).route
        return route is not None and route.is_replica

    assert not goes_to_replica()
    with replica_read():
        assert goes_to_replica()
        with primary():
            assert not goes_to_replica()
        with causal("garbage"):
            assert not goes_to_replica()


def test_a_budget_that_is_used_up_is_explained(replica: LaggingReplica) -> None:
    """And explaining uses up nothing of it."""
    replica.fail()
    with replica.cluster.sessionmaker(read=True)() as session:
        for _ in range(3):
            explained = session.explain(USERS)
            assert explained.route is not None and not explained.route.is_replica
        session.scalars(USERS).all()
        assert session.last_route == explained.route
        session.rollback()
        explained = session.explain(USERS)
        assert explained.route is None
        assert explained.refused.endswith("the primary has taken over as many reads as its fallback budget allows")
        with pytest.raises(NoReplicaAvailable):
            session.scalars(USERS).all()


def test_a_read_goes_where_it_was_explained_to_go(replica: LaggingReplica) -> None:
    """To the replica, by a policy or by none, and to the primary where nothing chose one."""
    cluster = replica.cluster.use_replica_policies(None, {"recent": ReplicaReadOptions(max_lag=60), "here": None})
    for read in (True, False, None, "recent", "here"):
        with cluster.sessionmaker(read=read)() as session:
            explained = session.explain(USERS)
            session.scalars(USERS).all()
            assert session.last_route == explained.route


class _Counting:
    """Whoever counts what falls back."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def fell_back(self, _mode: Any, kind: str, **_: Any) -> None:
        self.reasons.append(kind)


def test_whoever_reads_without_a_session_falls_back_for_the_same_reason(replica: LaggingReplica) -> None:
    """One that is counted as what it is."""
    counting: Any = _Counting()
    replica.cluster.router.instrumentation = counting
    replica.fail()
    replica.cluster.reader()
    assert counting.reasons == ["no replica is fresh enough"]
    assert set(counting.reasons) <= {why.value for why in Why}


def test_an_engine_that_the_application_names_comes_first(replica: LaggingReplica) -> None:
    """For all of a session, or for some of its models; the others are routed."""
    elsewhere = sa.create_engine("sqlite://")
    make = replica.cluster.sessionmaker(read=True)
    with make(bind=replica.cluster.writer()) as session:
        explained = session.explain(USERS)
        session.scalars(USERS).all()
        assert session.last_route == explained.route
        assert explained.route is not None and explained.route.name == "primary"
    with make(binds={User: elsewhere}) as session:
        explained = session.explain(USERS)
        assert explained.route is not None and explained.route.name == "elsewhere"
        explained = session.explain(sa.select(1))
        assert explained.route is not None and explained.route.is_replica
    elsewhere.dispose()
