"""An application can wait, before it takes requests, until its first reads can go to replicas."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.routing import Cluster, NoReplicaAvailable, ReplicaConfig, connect_cluster, replica_read
from erm_alembic.routing.discovery import Found
from erm_alembic.routing.watching.state import Trouble
from tests.routing.servers import EAST, PATIENCE, WEST, Servers, frozen

FUNCTION = sa.select(sa.func.abs(-1))
NOWHERE = "postgresql://app@127.0.0.1:1/shop"


def connected(servers: Servers, **urls: str) -> Cluster:
    """A cluster of these servers, whose replicas may be said to be elsewhere."""
    known = {name: standby.url() for name, standby in servers.standbys.items()} | urls
    return connect_cluster(servers.primary.url(), [ReplicaConfig(name, url) for name, url in known.items()])


def test_the_first_read_after_the_wait_goes_to_a_replica(newest_servers: Servers) -> None:
    """Also one that calls a function and may not fall back; without the wait it is refused."""
    newest_servers.catch_up()
    with connected(newest_servers) as cluster, cluster.sessionmaker()() as session:
        with replica_read(disable_fallback=True):
            with pytest.raises(NoReplicaAvailable):
                session.scalar(FUNCTION)
            session.rollback()
            state = cluster.wait_until_ready(PATIENCE)
            assert {name: replica.reachable for name, replica in state.replicas.items()} == {EAST: True, WEST: True}
            assert session.scalar(FUNCTION) == 1
        assert session.last_route is not None
        assert session.last_route.is_replica


def test_tasks_wait_without_a_thread(newest_servers: Servers) -> None:
    """The loop goes on meanwhile, and the wait asks for no thread of the application's."""

    async def begin() -> tuple[bool, set[str]]:
        cluster = connected(newest_servers)
        try:
            ticked = asyncio.Event()
            asyncio.get_running_loop().call_soon(ticked.set)
            waiting = asyncio.ensure_future(cluster.async_wait_until_ready(PATIENCE))
            await ticked.wait()
            state = await waiting
            workers = {each.name for each in threading.enumerate() if each.name.startswith("asyncio")}
            return all(replica.reachable for replica in state.replicas.values()), workers
        finally:
            await cluster.aclose()

    assert asyncio.run(begin()) == (True, set())


def test_a_replica_that_cannot_be_reached_holds_nobody_up(newest_servers: Servers) -> None:
    """It was asked once, and the wait is over before its time is."""
    with connected(newest_servers, **{EAST: NOWHERE}) as cluster:
        state = cluster.wait_until_ready("24h")
        assert state.replicas[EAST].trouble is Trouble.UNREACHABLE
        assert state.replicas[WEST].reachable


def test_where_the_time_is_over_what_is_known_is_told(newest_servers: Servers) -> None:
    """A primary that stands still says nothing of functions; the replicas are known, or are not."""
    with frozen(newest_servers.primary), connected(newest_servers) as cluster:
        assert not cluster.wait_until_ready("200ms").primary.reachable
        assert not asyncio.run(cluster.async_wait_until_ready(0)).primary.reachable


def test_without_replicas_nobody_is_waited_for(newest_servers: Servers) -> None:
    """And no thread is begun."""
    with connect_cluster(newest_servers.primary.url()) as cluster:
        assert not cluster.wait_until_ready("24h").replicas
        assert not asyncio.run(cluster.async_wait_until_ready("24h")).replicas
        assert not cluster.monitor.running


@pytest.mark.parametrize("wrong", [-1, "soon", "5"])
def test_a_timeout_that_is_none_is_told_at_once(wrong: int | str) -> None:
    """Also where nobody would be waited for."""
    cluster = connect_cluster("postgresql://app@db/shop")
    with pytest.raises(ValueError):
        cluster.wait_until_ready(wrong)
    with pytest.raises(ValueError):
        asyncio.run(cluster.async_wait_until_ready(wrong))


class _Slow:
    """Finds a replica as soon as it may."""

    finds_primary, search_interval, kept_for = False, 60.0, 60.0

    def __init__(self, url: str) -> None:
        self.may = threading.Event()
        self._url = url

    def find(self, primary: DatabaseUrl) -> Found:
        self.may.wait(PATIENCE)
        return Found((ReplicaConfig(EAST, self._url),))


def test_replicas_that_are_still_looked_for_are_waited_for(newest_servers: Servers) -> None:
    """They are none yet, and that is not known before the first search is over."""
    discovery = _Slow(newest_servers.east.url())
    with connect_cluster(newest_servers.primary.url(), discovery=discovery) as cluster:
        cluster.monitor.wait_for(lambda: cluster.monitor.volatility, PATIENCE)
        assert not cluster.wait_until_ready("50ms").replicas
        discovery.may.set()
        assert cluster.wait_until_ready(PATIENCE).replicas[EAST].reachable


def test_what_was_not_set_against_a_primary_is_not_known(newest_servers: Servers) -> None:
    """A replica that answers before its primary does says nothing of how far it is."""
    with connected(newest_servers) as cluster:
        known = cluster.wait_until_ready(PATIENCE)
        assert cluster._is_ready()
        cluster.monitor.stop()
        early = replace(known.replicas[EAST], trouble=Trouble.PRIMARY_UNKNOWN)
        cluster.monitor.state = replace(known, replicas={**known.replicas, EAST: early})
        assert not cluster._is_ready()
        cluster.monitor.state = replace(known, replicas={WEST: known.replicas[WEST]})
        assert not cluster._is_ready()
