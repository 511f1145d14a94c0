"""The first reads of an application that has just begun: whoever wants replicas has them watched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from erm_alembic.routing import (
    Cluster,
    NoReplicaAvailable,
    ReplicaConfig,
    RoutingSession,
    connect_cluster,
    replica_read,
)
from erm_alembic.routing.limits import LagLimit
from erm_alembic.routing.need import Need
from tests.routing.applications import SYNCHRONOUS, Application, User, application
from tests.routing.servers import Servers

USERS = sa.select(User)


@pytest.fixture(params=SYNCHRONOUS)
def app(request: pytest.FixtureRequest, newest_servers: Servers) -> Iterator[Application]:
    """An application of each synchronous driver."""
    with application(newest_servers, request.param) as app:
        app.servers.catch_up()
        yield app


@pytest.fixture
def cluster(app: Application) -> Iterator[Cluster]:
    """Its cluster, of which nobody has asked anything yet."""
    replicas = [ReplicaConfig(name, app.url(standby)) for name, standby in app.servers.standbys.items()]
    with connect_cluster(app.url(app.servers.primary), replicas) as cluster:
        assert not cluster.monitor.running
        yield cluster


def _comes_from_a_replica(cluster: Cluster, session: RoutingSession) -> bool:
    """Whether the session's reads come from a replica as soon as anything is known of the servers."""
    cluster.monitor.wait_for(lambda: cluster.monitor.volatility, 30.0)
    fresh = Need(LagLimit(seconds=20.0))
    cluster.monitor.wait_for(lambda: "" in cluster.objections(fresh).values(), 30.0)
    session.scalars(USERS).all()
    route = session.last_route
    assert route is not None
    return route.is_replica


def test_the_first_read_that_wants_a_replica_has_the_servers_watched(cluster: Cluster) -> None:
    """It is the primary's, with the reason; those that come later are the replicas'."""
    with cluster.sessionmaker()() as session, replica_read(max_lag="20s"):
        session.scalars(USERS).all()
        assert cluster.monitor.running
        assert str(session.last_route) == "primary: what the database says of its functions is not known yet"
        session.rollback()
        assert _comes_from_a_replica(cluster, session)


def test_nothing_is_watched_for_who_wants_no_replica(cluster: Cluster) -> None:
    """A session that reads from the primary starts no thread."""
    with cluster.sessionmaker()() as session:
        session.scalars(USERS).all()
    assert not cluster.monitor.running


def test_a_read_that_may_not_fall_back_is_refused_until_something_is_known(cluster: Cluster) -> None:
    """It is not the primary's in silence, and the session goes on."""
    with cluster.sessionmaker()() as session, replica_read(max_lag="20s", disable_fallback=True):
        with pytest.raises(NoReplicaAvailable, match="not known yet"):
            session.scalars(USERS).all()
        assert _comes_from_a_replica(cluster, session)
