"""One snapshot for a transaction, and its end."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from erm_alembic.routing import (
    Cluster,
    ReplicaReadOptions,
)
from tests.routing.applications import Application, Post, User, on_replica, route
from tests.routing.servers import EAST, WEST
from tests.routing.sessions.asking import USERS


def test_one_snapshot_can_hold_for_a_transaction(app: Application, cluster: Cluster) -> None:
    """For a report whose parts have to fit together."""
    with cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True))() as session:
        count = sa.select(sa.func.count()).select_from(Post)
        assert session.scalar(count) == 2
        where = route(session)
        app.on_primary("DELETE FROM posts")
        app.servers.catch_up()
        assert (session.scalar(count), route(session)) == (2, where)
        session.rollback()
        assert session.scalar(count) == 0


def test_a_snapshot_stays_what_it_was_taken_for(app: Application, cluster: Cluster) -> None:
    """It grows older with the transaction, and that is what was asked for; the next one is taken anew."""
    with cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True, max_lag="0B"))() as session:
        count = sa.select(sa.func.count()).select_from(Post)
        assert session.scalar(count) == 2
        where = route(session)
        assert where in (EAST, WEST)
        app.servers.pause(where)
        app.on_primary("DELETE FROM posts")
        cluster.monitor.refresh()
        assert cluster.status().replicas[where].lag_bytes
        assert (session.scalar(count), route(session)) == (2, where)
        session.rollback()
        assert session.scalar(count) == 0
        assert route(session) != where


def test_a_snapshot_that_is_lost_is_not_replaced_by_another(app: Application, cluster: Cluster) -> None:
    """What was read so far would not fit to it; after the rollback the session goes on."""
    with cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True))() as session:
        session.scalars(USERS).all()
        assert on_replica(session)
        app.servers.standbys[route(session)].execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND backend_type = %s"
            " AND application_name <> 'erm routing'",
            app.dbname,
            "client backend",
        )
        with pytest.raises(sa.exc.DBAPIError) as lost:
            session.scalars(USERS).all()
        assert lost.value.connection_invalidated
        with pytest.raises(sa.exc.PendingRollbackError):
            session.scalars(USERS).all()
        session.rollback()
        assert len(session.scalars(USERS).all()) == 1
        session.add(User(id=2, name="Grace"))
        session.commit()


def test_an_idle_connection_that_was_lost_is_no_error_of_the_next_snapshot(app: Application, cluster: Cluster) -> None:
    """A driver may find that out before anything is executed, and say it in words that SQLAlchemy does not wrap."""
    with cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True))() as session:
        for _ in range(4):
            assert len(session.scalars(USERS).all()) == 1
            assert on_replica(session)
            replica = app.servers.standbys[route(session)]
            session.rollback()
            replica.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND backend_type = %s"
                " AND application_name <> 'erm routing'",
                app.dbname,
                "client backend",
            )
            session.scalars(USERS).all()
            session.rollback()
            cluster.monitor.refresh()
    for node in cluster.replicas:
        assert node.in_use(False) == 0


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_replica_has_nothing_to_say_about_the_end_of_a_transaction(
    end: str, app: Application, cluster: Cluster
) -> None:
    """It may be lost by then, with a snapshot and a cursor open: what is written to the primary is, or is not, written
    all the same, and the session knows it."""
    with cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True))() as session:
        session.scalars(USERS.execution_options(yield_per=1))
        replica = app.servers.standbys[route(session)]
        session.add(User(id=2, name="Grace"))
        session.flush()
        replica.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND backend_type = %s"
            " AND application_name <> 'erm routing'",
            app.dbname,
            "client backend",
        )
        getattr(session, end)()
        assert (session.causal_token is not None) == (end == "commit")
        assert app.on_primary("SELECT count(*) FROM users") == [(2 if end == "commit" else 1,)]
    for node in cluster.replicas:
        assert node.in_use(False) == 0
