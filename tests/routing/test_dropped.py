"""A cluster that nobody holds any more ends by itself, as an engine does."""

from __future__ import annotations

import gc
import threading

import sqlalchemy as sa

from erm_alembic.routing import Cluster, ReplicaConfig, RoutingSession, connect_cluster
from tests.routing.applications import Application, User, application, on_replica
from tests.routing.servers import EAST, Servers, until

OURS = """
    SELECT count(*) FROM pg_stat_activity
     WHERE application_name = 'erm routing' OR datname = %s AND pid <> pg_backend_pid()
"""


def made(app: Application) -> Cluster:
    """A cluster that has connections to both of its servers, and threads that watch them."""
    cluster = connect_cluster(
        app.url(app.servers.primary), [ReplicaConfig(EAST, app.url(app.servers.east))], monitor_interval=0.2
    )
    app.settle(cluster)
    with cluster.sessionmaker()() as session:
        session.scalars(sa.select(User)).all()
    reading(cluster).close()
    return cluster


def reading(cluster: Cluster) -> RoutingSession:
    """A session that has read from the replica."""
    session: RoutingSession = cluster.sessionmaker(read=True)()
    session.scalars(sa.select(User)).all()
    assert on_replica(session)
    return session


def is_gone(app: Application, others: set[threading.Thread]) -> bool:
    """Whether neither threads nor connections are left."""
    servers = (app.servers.primary, app.servers.east)
    return set(threading.enumerate()) <= others and not any(
        server.execute(OURS, app.dbname)[0][0] for server in servers
    )


def test_a_dropped_cluster_leaves_nothing_behind(newest_servers: Servers) -> None:
    """Neither threads nor connections, to any server."""
    with application(newest_servers, "psycopg2") as app:
        others = set(threading.enumerate())
        cluster = made(app)
        assert not is_gone(app, others)
        del cluster
        gc.collect()
        until(lambda: is_gone(app, others), lambda: str(threading.enumerate()))


def test_a_session_holds_its_cluster(newest_servers: Servers) -> None:
    """Until it is dropped too."""
    with application(newest_servers, "psycopg2") as app:
        others = set(threading.enumerate())
        session = reading(made(app))
        gc.collect()
        session.rollback()
        session.scalars(sa.select(User)).all()
        assert on_replica(session)
        session.close()
        del session
        gc.collect()
        until(lambda: is_gone(app, others), lambda: str(threading.enumerate()))
