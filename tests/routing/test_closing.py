"""A cluster that was closed stays closed: nobody is watched any more, and nothing stays open."""

from __future__ import annotations

import asyncio
import threading

import pytest
import sqlalchemy as sa

from erm_alembic.errors import NoReplicaAvailable
from erm_alembic.routing import ReplicaReadOptions, connect_cluster
from erm_alembic.routing.need import NOTHING_NEEDED
from erm_alembic.routing.watching.state import UNKNOWN
from tests.routing.applications import User, application, on_replica, route
from tests.routing.servers import PATIENCE, Servers, until


def watching() -> list[str]:
    """The threads that watch servers; a few that ask for tokens are the process's, whatever the cluster."""
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("erm-routing")]
    return [name for name in names if not name.startswith("erm-routing position")]


def test_a_closed_cluster_reads_from_the_primary_and_watches_nobody(newest_servers: Servers) -> None:
    """Sessions that outlive it go on; whoever asks what is known is told that nothing is."""
    with application(newest_servers, "psycopg2") as app:
        with app.cluster() as cluster:
            app.settle(cluster)
            session = cluster.sessionmaker(read=ReplicaReadOptions(max_wait=PATIENCE))()
            session.scalars(sa.select(User)).all()
            assert on_replica(session)
            session.rollback()
        assert cluster.status() is UNKNOWN
        assert cluster.router.choose(NOTHING_NEEDED, asynchronous=False) is None
        assert cluster.monitor.refresh() is UNKNOWN
        cluster.monitor.read_catalogs()
        with session:
            session.scalars(sa.select(User)).all()
            assert route(session) == "primary"
        options = ReplicaReadOptions(disable_fallback=True)
        with cluster.sessionmaker(read=options)() as strict, pytest.raises(NoReplicaAvailable):
            strict.scalars(sa.select(User))
        assert not watching()
        cluster.close()


def test_an_asynchronous_block_closes_the_connections_within_its_loop(newest_servers: Servers) -> None:
    """Those of asynchronous sessions too, and those of others."""
    with application(newest_servers, "asyncpg") as app:
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"

        async def use() -> None:
            async with connect_cluster(app.url(newest_servers.primary)) as cluster:
                async with cluster.async_sessionmaker()() as session:
                    await session.scalars(sa.select(User))
                with cluster.writer().connect():
                    pass

        asyncio.run(use())
        until(lambda: newest_servers.primary.execute(count, app.dbname) == [(0,)])
        assert not watching()


def test_what_is_opened_while_a_pool_is_replaced_is_closed_with_the_next_one(newest_servers: Servers) -> None:
    """A connection that comes up in the former pool, and goes back there, does not stay open for good."""
    with application(newest_servers, "psycopg2") as app:
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        with app.cluster() as cluster:
            former = cluster.primary.engine().pool
            cluster.primary.renew(close=True)
            former.connect().close()
            assert former.checkedin() == 1
        assert former.checkedin() == 0
        until(lambda: newest_servers.primary.execute(count, app.dbname) == [(0,)])
