"""Replicas that come and go while an application runs, and a primary that moves, on a primary with two standbys."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ConfigurationError, NoReplicaAvailable
from erm_alembic.routing import Cluster, ReplicaConfig, ReplicaReadOptions, connect_cluster
from erm_alembic.routing.discovery import DiscoveryFailed, Found
from erm_alembic.routing.need import NOTHING_NEEDED
from erm_alembic.routing.reporting.overview import Observer
from erm_alembic.routing.watching.state import UNKNOWN
from tests.routing.applications import SYNCHRONOUS, Application, User, application, route
from tests.routing.discovery.told import Told
from tests.routing.servers import EAST, WEST, Servers, frozen, until

USERS = sa.select(User)
STRICT = ReplicaReadOptions(disable_fallback=True)
# Somewhere nobody listens.
NOWHERE = "postgresql://postgres@/nobody?host=/nonexistent"


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches follow each other more closely than a real service would like."""
    monkeypatch.setattr("erm_alembic.routing.discovery.search._EAGER", 0.01)


@pytest.fixture
def app(newest_servers: Servers) -> Iterator[Application]:
    """An application on the driver that erm itself uses."""
    with application(newest_servers, "psycopg2") as app:
        yield app


def members(app: Application, *names: str, **urls: str) -> Found:
    """Some of an application's standbys, and others at addresses of their own."""
    known = {name: app.url(app.servers.standbys[name]) for name in names} | urls
    return Found(tuple(ReplicaConfig(name, DatabaseUrl.parse(url)) for name, url in known.items()))


@contextmanager
def discovering(app: Application, discovery: Told, **options: Any) -> Iterator[Cluster]:
    """A cluster whose replicas are discovered, once all that are known are fresh."""
    with app.cluster(replicas=(), discovery=discovery, **options) as cluster:
        cluster.monitor.wait_for(lambda: discovery.searches > 1, 30.0)
        app.settle(cluster)
        yield cluster


def told(cluster: Cluster, discovery: Told, found: Found | Exception) -> None:
    """Tell a discovery something, and wait until the cluster has heard of it."""
    discovery.found = found
    searches = discovery.searches
    until(lambda: discovery.searches > searches + 1)
    cluster.monitor.refresh()


def connections(app: Application, name: str) -> int:
    """How many connections the application's sessions hold to a standby."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name <> 'erm routing'"
    (number,) = app.servers.standbys[name].execute(asked, app.dbname)[0]
    return int(number)


def where(cluster: Cluster) -> str:
    """Where a new session's read goes."""
    with cluster.sessionmaker(read=True)() as session:
        assert len(session.scalars(USERS).all()) == 1
        return route(session)


def test_replicas_come_and_go_without_a_restart(app: Application) -> None:
    """Reads go to whoever is a member now; with none of them left, to the primary."""
    discovery = Told(members(app, EAST))
    with discovering(app, discovery) as cluster:
        assert {where(cluster) for _ in range(5)} == {EAST}
        told(cluster, discovery, members(app, EAST, WEST))
        until(lambda: where(cluster) == WEST)
        told(cluster, discovery, members(app, WEST))
        assert {where(cluster) for _ in range(5)} == {WEST}
        told(cluster, discovery, Found())
        assert where(cluster) == "primary"
        assert not cluster.status().replicas
        with pytest.raises(NoReplicaAvailable), cluster.sessionmaker(read=STRICT)() as session:
            session.scalars(USERS)


def test_a_replica_that_has_gone_is_not_watched_any_more(app: Application) -> None:
    """Neither a thread nor a connection of the monitor's is left, however often it comes and goes."""
    watching = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'erm routing'"
    discovery = Told(members(app, EAST))
    with discovering(app, discovery) as cluster:
        for _ in range(3):
            assert app.servers.east.execute(watching) == [(1,)]
            told(cluster, discovery, Found())
            until(lambda: not any(thread.name == f"erm-routing {EAST}" for thread in threading.enumerate()))
            until(lambda: app.servers.east.execute(watching) == [(0,)])
            told(cluster, discovery, members(app, EAST))


def test_replicas_that_were_given_stay_beside_those_that_are_discovered(app: Application) -> None:
    """What is discovered under a name that is taken gets another one."""
    discovery = Told(members(app, WEST, east=NOWHERE, primary=NOWHERE))
    given = ReplicaConfig(EAST, app.url(app.servers.east))
    with app.cluster(replicas=[given], discovery=discovery) as cluster:
        told(cluster, discovery, discovery.found)
        assert [node.name for node in cluster.replicas] == [EAST, WEST, "east (2)", "primary (2)"]
        told(cluster, discovery, Found())
        assert [node.name for node in cluster.replicas] == [EAST]
        assert where(cluster) == EAST


def test_a_session_under_way_goes_on_when_its_replica_has_gone(app: Application) -> None:
    """Its transaction reads on from the primary, its connection is closed when it comes back, and all is well again."""
    discovery = Told(members(app, EAST))
    with discovering(app, discovery) as cluster, cluster.sessionmaker(read=True)() as session:
        assert len(session.scalars(USERS).all()) == 1
        assert (route(session), connections(app, EAST)) == (EAST, 1)
        told(cluster, discovery, members(app, WEST))
        assert len(session.scalars(USERS).all()) == 1
        assert (route(session), connections(app, EAST)) == ("primary", 1)
        session.commit()
        until(lambda: connections(app, EAST) == 0)
        assert len(session.scalars(USERS).all()) == 1
        assert route(session) == WEST


@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_the_connections_to_a_replica_that_has_gone_are_closed(newest_servers: Servers, driver: str) -> None:
    """Those that are idle at once, those in use when they come back, and none stays after a late user."""
    with application(newest_servers, driver) as app:
        discovery = Told(members(app, EAST))
        with discovering(app, discovery) as cluster, ExitStack() as stack:
            node = cluster.replicas[0]
            busy = stack.enter_context(node.engine().connect())
            with node.engine().connect(), node.engine().connect():
                pass
            assert connections(app, EAST) == 3
            told(cluster, discovery, Found())
            until(lambda: connections(app, EAST) == 1)
            assert busy.scalar(sa.select(sa.literal(1))) == 1
            busy.close()
            until(lambda: connections(app, EAST) == 0)
            with node.engine().connect() as late:
                assert late.scalar(sa.select(sa.literal(1))) == 1
            until(lambda: connections(app, EAST) == 0)


def test_the_connections_of_asynchronous_sessions_are_closed_within_their_loop(newest_servers: Servers) -> None:
    """Though whoever discovers runs on a thread of its own."""
    with application(newest_servers, "asyncpg") as app:
        discovery = Told(members(app, EAST))

        async def use(cluster: Cluster) -> None:
            async with cluster.async_sessionmaker(read=True)() as session:
                assert len((await session.scalars(USERS)).all()) == 1
                assert session.last_route is not None
                assert session.last_route.name == EAST
            assert await asyncio.to_thread(connections, app, EAST) == 1
            await asyncio.to_thread(told, cluster, discovery, members(app, WEST))
            await asyncio.to_thread(until, lambda: connections(app, EAST) == 0)
            async with cluster.async_sessionmaker(read=True)() as session:
                assert len((await session.scalars(USERS)).all()) == 1
                assert session.last_route is not None
                assert session.last_route.name == WEST
            await cluster.aclose()

        with discovering(app, discovery) as cluster:
            asyncio.run(use(cluster))


def test_nobody_reads_from_a_replica_that_the_monitor_has_not_heard_of(app: Application) -> None:
    """However long it has been a member."""
    with frozen(app.servers.east):
        discovery = Told(members(app, EAST, west=NOWHERE))
        with connect_cluster(app.url(app.servers.primary), discovery=discovery, monitor_interval=0.2) as cluster:
            cluster.monitor.start()
            told(cluster, discovery, discovery.found)
            assert [node.name for node in cluster.replicas] == [EAST, WEST]
            assert where(cluster) == "primary"
            assert all(cluster.objections(NOTHING_NEEDED).values())


def test_what_is_known_of_a_server_does_not_speak_for_another_one_of_its_name(app: Application) -> None:
    """A member that has moved is a new one, and the old one is not chosen by whoever still holds it."""
    discovery = Told(members(app, EAST))
    with discovering(app, discovery) as cluster:
        old = cluster.replicas[0]
        assert cluster.router.fits(old, NOTHING_NEEDED)
        told(cluster, discovery, members(app, east=app.url(app.servers.west)))
        until(lambda: cluster.router.fits(cluster.replicas[0], NOTHING_NEEDED))
        assert cluster.replicas[0] is not old
        assert not cluster.router.fits(old, NOTHING_NEEDED)
        old.failed()
        cluster.monitor.refresh()
        assert not cluster.router.fits(old, NOTHING_NEEDED)
        told(cluster, discovery, members(app, east=NOWHERE))
        assert not cluster.router.fits(cluster.replicas[0], NOTHING_NEEDED)
        assert where(cluster) == "primary"


def test_a_discovery_that_fails_keeps_what_it_found_last(app: Application, caplog: pytest.LogCaptureFixture) -> None:
    """That is said once, in its own words; what is not its own error is not repeated: it may hold anything."""
    discovery = Told(members(app, EAST))
    with discovering(app, discovery) as cluster, caplog.at_level(logging.INFO, "erm_alembic.routing"):
        told(cluster, discovery, DiscoveryFailed("nobody answers"))
        told(cluster, discovery, ValueError("hunter2"))
        assert where(cluster) == EAST
        told(cluster, discovery, members(app, EAST))
        told(cluster, discovery, ValueError("hunter2"))
        assert where(cluster) == EAST
    said = [record.getMessage() for record in caplog.records if "discovered" in record.getMessage()]
    assert said == [
        "the replicas cannot be discovered; the 1 that are known are kept for 3600 s: nobody answers",
        "the replicas can be discovered again",
        "the replicas cannot be discovered; the 1 that are known are kept for 3600 s: ValueError",
    ]


def test_what_was_found_last_is_not_kept_for_ever(app: Application, caplog: pytest.LogCaptureFixture) -> None:
    """When its time is over the primary answers, until something is discovered again."""
    discovery = Told(members(app, EAST))
    with discovering(app, discovery) as cluster:
        assert where(cluster) == EAST
        discovery.kept_for = 0.0
        discovery.found = DiscoveryFailed("nobody answers")
        until(lambda: not cluster.replicas)
        assert where(cluster) == "primary"
        assert "are not used any more" in caplog.text
        told(cluster, discovery, members(app, EAST))
        until(lambda: where(cluster) == EAST)


def test_a_mistaken_answer_makes_no_thousands_of_threads(app: Application, caplog: pytest.LogCaptureFixture) -> None:
    """What is more than a cluster can have is left out, and said."""
    many = {f"r{number:04}": NOWHERE for number in range(1000)}
    discovery = Told(members(app, **many))
    with app.cluster(replicas=(), discovery=discovery) as cluster:
        told(cluster, discovery, discovery.found)
        assert len(cluster.replicas) == 64
        assert threading.active_count() < 200
        assert "1000 replicas were discovered; only 64 of them are used" in caplog.text


def test_a_child_process_searches_for_itself(app: Application) -> None:
    """It begins with the members that its parent knew, of which it knows nothing yet, and learns of others alone."""
    discovery = Told(members(app, EAST))
    with discovering(app, discovery) as cluster:
        assert where(cluster) == EAST
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                said = [cluster.monitor.state is UNKNOWN, cluster.monitor.search is None]
                until(lambda: where(cluster) == EAST)
                told(cluster, discovery, members(app, WEST))
                until(lambda: where(cluster) == WEST)
                os.write(writing, json.dumps([*said, len(cluster.replicas)]).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as said_by_child:
            assert json.loads(said_by_child.read()) == [True, True, 1]
        os.waitpid(child, 0)
        assert where(cluster) == EAST


def test_who_looks_at_a_cluster_waits_until_it_was_searched(app: Application) -> None:
    """An overview has the replicas that there are, and the primary where it is, at the first look."""
    primary = DatabaseUrl.parse(app.url(app.servers.primary))
    discovery = Told(Found(members(app, EAST, WEST).replicas, primary), finds_primary=True)
    begun = threading.Event()
    discovery.before = lambda: begun.wait(30.0)
    with connect_cluster(NOWHERE, discovery=discovery, monitor_interval=0.2) as cluster, Observer(cluster) as observer:
        threading.Timer(0.05, begun.set).start()
        overview = observer.look()
    assert [(replica.name, replica.role) for replica in overview.replicas] == [(EAST, "standby"), (WEST, "standby")]
    assert overview.primary.role == "primary"


@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_the_first_connection_waits_until_the_primary_was_searched_for(newest_servers: Servers, driver: str) -> None:
    """The address of the cluster gives who connects to what; where, is discovered."""
    with application(newest_servers, driver) as app:
        found = Found(primary=DatabaseUrl.parse(app.url(newest_servers.primary)))
        discovery = Told(found, finds_primary=True)
        begun = threading.Event()
        discovery.before = lambda: begun.wait(30.0)
        elsewhere = app.url(newest_servers.primary).partition("?")[0] + "?host=/nonexistent"
        with connect_cluster(elsewhere, discovery=discovery) as cluster, cluster.sessionmaker()() as session:
            threading.Timer(0.05, begun.set).start()
            session.add(User(id=7, name="Grace"))
            session.commit()
        assert app.on_primary("SELECT name FROM users WHERE id = 7") == [("Grace",)]


def test_the_first_connection_of_a_loop_waits_without_holding_it_up(newest_servers: Servers) -> None:
    """Others go on in it, and one of them may be what is waited for."""
    with application(newest_servers, "asyncpg") as app:
        discovery = Told(Found(primary=DatabaseUrl.parse(app.url(newest_servers.primary))), finds_primary=True)
        begun = threading.Event()
        discovery.before = lambda: begun.wait(30.0)

        async def write_and_begin(cluster: Cluster) -> None:
            writing = asyncio.create_task(write_within_a_loop(cluster, 5))
            await asyncio.sleep(0)
            begun.set()
            await writing

        elsewhere = app.url(newest_servers.primary).partition("?")[0] + "?host=/nonexistent"
        with connect_cluster(elsewhere, discovery=discovery) as cluster:
            asyncio.run(write_and_begin(cluster))
        assert app.on_primary("SELECT score FROM users") == [(5,)]


def test_a_primary_that_moves_is_followed(fresh_servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
    """New connections of either kind of session lead to it, on every driver, by the engines that there were."""
    servers = fresh_servers
    with ExitStack() as stack:
        apps = [stack.enter_context(application(servers, driver)) for driver in (*SYNCHRONOUS, "asyncpg")]
        told_of = [Told(Found(primary=DatabaseUrl.parse(app.url(servers.primary))), finds_primary=True) for app in apps]
        clusters = [
            stack.enter_context(app.cluster(replicas=(), discovery=discovery))
            for app, discovery in zip(apps, told_of, strict=True)
        ]
        engines = [cluster.writer() for cluster in clusters[:2]]
        for cluster in clusters[:2]:
            write(cluster, 1)
        asyncio.run(write_within_a_loop(clusters[2], 1))
        servers.primary.stop("immediate")
        servers.east.promote()
        for app, cluster, discovery in zip(apps, clusters, told_of, strict=True):
            told(cluster, discovery, Found(primary=DatabaseUrl.parse(app.url(servers.east))))
            until(lambda cluster=cluster: cluster.status().primary.timeline == 2)
        for cluster in clusters[:2]:
            write(cluster, 2)
            assert cluster.router.position().timeline == 2
        asyncio.run(write_within_a_loop(clusters[2], 2))
        assert engines == [cluster.writer() for cluster in clusters[:2]]
        for app in apps:
            assert servers.east.execute("SELECT score FROM users", dbname=app.dbname) == [(2,)]
        assert "the primary is at" in caplog.text


def write(cluster: Cluster, score: int) -> None:
    """Write something in a session of its own."""
    with cluster.sessionmaker()() as session:
        session.execute(sa.update(User).values(score=score))
        session.commit()


async def write_within_a_loop(cluster: Cluster, score: int) -> None:
    """The same for asyncio."""
    async with cluster.async_sessionmaker()() as session:
        await session.execute(sa.update(User).values(score=score))
        await session.commit()
    await cluster.primary.aclose()


def test_two_servers_of_one_name_are_refused() -> None:
    """Those that a cluster was given are somebody's words; those that are discovered are not."""
    east = ReplicaConfig(EAST, NOWHERE)
    with pytest.raises(ConfigurationError, match="Two servers of the cluster are named 'east'"):
        connect_cluster(NOWHERE, [east, east])
