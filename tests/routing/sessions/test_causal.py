"""What a session must see: what was committed before a token, a wait, or by another session of its work."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from erm_alembic.routing import (
    Cluster,
    ReplicaConfig,
    ReplicaReadOptions,
    RoutingSession,
    StaleReplicaWrite,
    causal,
    connect_cluster,
    primary,
    replica_read,
)
from erm_alembic.routing.scope import CausalScope
from erm_alembic.routing.tokens import read_token, write_token
from tests.routing.applications import Application, User, on_replica, route
from tests.routing.servers import EAST, WEST
from tests.routing.sessions.asking import USERS, where


def test_a_token_lets_another_process_read_what_was_written(app: Application, cluster: Cluster) -> None:
    """Where no replica has replayed it the primary answers; once one has, it does."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    with cluster.sessionmaker()() as writer:
        assert writer.causal_token is None
        writer.scalars(USERS).all()
        writer.commit()
        assert writer.causal_token is None  # it has written nothing
        writer.add(User(id=2, name="Grace"))
        writer.commit()
        token = writer.causal_token
    with connect_cluster(  # as in another process: it knows nothing of the commit
        app.url(app.servers.primary),
        [ReplicaConfig(name, app.url(standby)) for name, standby in app.servers.standbys.items()],
        monitor_interval=0.2,
    ) as other:
        other.status()
        other.monitor.wait_for(lambda: other.monitor.volatility, 30.0)
        other.monitor.refresh()
        with causal(token), replica_read():
            assert where(other) == "primary"
            app.servers.resume(EAST)
            app.servers.catch_up(EAST)
            other.monitor.refresh()
            assert where(other) == EAST


def test_a_token_of_another_history_asks_for_the_primary(cluster: Cluster) -> None:
    """After a failover nobody knows whether a replica has what the token stands for."""
    here = cluster.router.position()
    foreign = [
        write_token(type(here)(here.system, here.timeline + 1, 1)),
        write_token(type(here)(here.system ^ 1, here.timeline, 1)),
        "unreadable",
    ]
    for token in foreign:
        with causal(token), replica_read():
            assert where(cluster) == "primary"
    with causal(write_token(type(here)(here.system, here.timeline, 1))), replica_read():
        assert where(cluster) in (EAST, WEST)


def test_waiting_for_a_replica_ends_when_one_is_there(app: Application, cluster: Cluster) -> None:
    """And with the primary when none comes in time."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    with cluster.sessionmaker(read=ReplicaReadOptions(max_wait=30))() as session:
        session.add(User(id=2, name="Grace"))
        session.commit()
        resumed = threading.Timer(0.0, app.servers.resume, [EAST])
        resumed.start()
        assert len(session.scalars(USERS).all()) == 2
        assert route(session) == EAST
        resumed.join()
    with cluster.sessionmaker(read=ReplicaReadOptions(max_wait="10ms"))() as session:
        app.servers.pause(EAST)
        session.add(User(id=3, name="Edsger"))
        session.commit()
        assert len(session.scalars(USERS).all()) == 3
        assert route(session) == "primary"


@pytest.mark.parametrize("way", ["another session", "pickled"])
def test_an_object_is_known_to_be_stale_wherever_it_goes(way: str, app: Application, cluster: Cluster) -> None:
    """One session loads it from a replica, another one writes it."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    app.on_primary("UPDATE users SET score = 100")
    with cluster.sessionmaker(read=True)() as session:
        ada = session.get_one(User, 1)
        assert on_replica(session)
    if way == "pickled":
        ada = pickle.loads(pickle.dumps(ada))
    with cluster.sessionmaker()() as other:
        other.add(ada)
        ada.score += 1
        with pytest.raises(StaleReplicaWrite):
            other.commit()


def _in_a_pools_thread(function: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_a_block_of_the_thread_does_not_hide_those_of_the_session(app: Application, cluster: Cluster) -> None:
    """A session of a request, handed to a thread, sees what the request has to see, and its commit is the request's."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    with cluster.sessionmaker()() as writer:
        writer.add(User(id=2, name="Grace"))
        writer.commit()
        token = writer.causal_token

    @replica_read(max_lag=3600)
    def count(session: RoutingSession) -> tuple[Any, str]:
        return session.scalar(sa.select(sa.func.count()).select_from(User)), route(session)

    @replica_read(max_lag=3600)
    def add(session: RoutingSession) -> None:
        session.add(User(id=3, name="Alan"))
        session.commit()

    with causal(token), cluster.sessionmaker()() as session:
        assert _in_a_pools_thread(lambda: count(session)) == (2, "primary")
    with CausalScope(cluster) as scope, cluster.sessionmaker()() as session, cluster.sessionmaker()() as other:
        where = _in_a_pools_thread(lambda: (count(session), count(session)))[1][1]
        assert where in (EAST, WEST)
        _in_a_pools_thread(lambda: add(other))
        assert scope.token() is not None
        assert _in_a_pools_thread(lambda: count(session)) == (3, "primary")
    with primary(), cluster.sessionmaker(read=True)() as session:
        held = causal(None)(lambda: (session.scalars(USERS).all(), route(session))[1])
        assert _in_a_pools_thread(held) == "primary"


def test_a_commit_that_nobody_knows_of_counts_as_one(app: Application, cluster: Cluster) -> None:
    """The connection is lost before the answer comes: who looks whether it is there, looks where it is if it is."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)

    def lose_the_answer(connection: sa.Connection) -> None:
        connection.connection.driver_connection.commit()
        raise psycopg2.OperationalError("server closed the connection unexpectedly")

    sa.event.listen(cluster.writer(), "commit", lose_the_answer)
    try:
        with cluster.sessionmaker(read=True)() as session:
            session.add(User(id=2, name="Grace"))
            with pytest.raises(psycopg2.OperationalError):
                session.commit()
            session.rollback()
            assert session.scalars(sa.select(User.name).where(User.id == 2)).all() == ["Grace"]
            assert route(session) == "primary"
            assert session.causal_token is not None
    finally:
        sa.event.remove(cluster.writer(), "commit", lose_the_answer)


def test_the_sessions_of_a_unit_of_work_see_each_others_commits(app: Application, cluster: Cluster) -> None:
    """And what it wrote is one token."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    with CausalScope(cluster) as scope:
        assert scope.token() is None
        with cluster.sessionmaker()() as session:
            session.add(User(id=2, name="Grace"))
            session.commit()
        with replica_read():
            assert where(cluster) == "primary"
        token = scope.token()
    assert token is not None and read_token(token) is not None
    with replica_read():
        assert where(cluster) in (EAST, WEST)
