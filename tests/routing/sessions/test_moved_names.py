"""A replica's name leads to another server: what the monitor knows of the one is not believed of the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from erm_alembic.routing import Cluster, ReplicaConfig, causal, replica_read
from tests.routing.applications import ASYNCHRONOUS, SYNCHRONOUS, Application, User, application, route
from tests.routing.servers import EAST, WEST, Servers
from tests.support.servers import SUPERUSER, PrivateServer

COUNT = sa.select(sa.func.count()).select_from(User)
LINKS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'erm routing'"


class Name:
    """What stands for a server, and can be made to stand for another one: a directory of sockets.

    Args:
        path: where it is.
        app: whose database is meant.
    """

    def __init__(self, path: Path, app: Application) -> None:
        self._path, self._app = path, app

    @property
    def url(self) -> str:
        """The address by this name."""
        return f"postgresql+{self._app.driver}://{SUPERUSER}@/{self._app.dbname}?host={quote(str(self._path), safe='')}"

    def lead_to(self, server: PrivateServer) -> None:
        """Let it stand for a server from now on."""
        self._path.unlink(missing_ok=True)
        self._path.symlink_to(server.socket_dir)

    def move(self, cluster: Cluster) -> None:
        """Let it stand for west, of which the monitor hears at once; east stands still from then on."""
        servers, before = self._app.servers, cluster.status().start_of("ro")
        self.lead_to(servers.west)
        servers.pause(EAST)
        servers.east.execute(LINKS)
        cluster.monitor.wait_for(lambda: cluster.router.source.state.start_of("ro") != before, 30.0)


@contextmanager
def reading_by_name(servers: Servers, driver: str, path: Path) -> Iterator[tuple[Application, Name, Cluster]]:
    """An application whose only replica goes by a name, which leads to east."""
    with application(servers, driver) as app:
        name = Name(path / "n", app)
        name.lead_to(servers.east)
        with app.cluster(replicas=[ReplicaConfig("ro", name.url)], monitor_interval=0.1) as cluster:
            yield app, name, cluster


def wrote(app: Application, cluster: Cluster) -> str:
    """The token of a commit that west has replayed, and is known to have."""
    with cluster.sessionmaker()() as session:
        session.add(User(id=2, name="Grace"))
        session.commit()
        token = session.causal_token
    assert token is not None
    app.servers.catch_up(WEST)
    cluster.monitor.refresh()
    return token


@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_reads_go_to_the_server_that_is_known(newest_servers: Servers, driver: str, tmp_path: Path) -> None:
    """Not over a connection that a pool has kept to the former one."""
    with reading_by_name(newest_servers, driver, tmp_path) as (app, name, cluster):
        with cluster.sessionmaker(read=True)() as session:
            assert (session.scalar(COUNT), route(session)) == (1, "ro")
        name.move(cluster)
        token = wrote(app, cluster)
        with cluster.sessionmaker()() as session, causal(token), replica_read(max_lag=30):
            assert (session.scalar(COUNT), route(session)) == (2, "ro")
        with causal(token), cluster.reader().connect() as connection:
            assert connection.scalar(COUNT) == 2


@pytest.mark.parametrize("driver", ASYNCHRONOUS)
def test_those_of_tasks_do_too(newest_servers: Servers, driver: str, tmp_path: Path) -> None:
    """By the drivers of asyncio."""

    async def count(cluster: Cluster, token: str | None) -> tuple[object, str]:
        async with cluster.async_sessionmaker()() as session:
            with causal(token), replica_read():
                return await session.scalar(COUNT), route(session.sync_session)

    async def use(app: Application, name: Name, cluster: Cluster) -> None:
        assert await count(cluster, None) == (1, "ro")
        await asyncio.to_thread(name.move, cluster)
        assert await count(cluster, await asyncio.to_thread(wrote, app, cluster)) == (2, "ro")
        await cluster.aclose()

    with reading_by_name(newest_servers, driver, tmp_path) as (app, name, cluster):
        asyncio.run(use(app, name, cluster))


def test_a_transaction_does_not_go_on_by_what_is_known_of_another(newest_servers: Servers, tmp_path: Path) -> None:
    """The connection that it has leads to where it was; the primary goes on with it."""
    with (
        reading_by_name(newest_servers, "psycopg2", tmp_path) as (app, name, cluster),
        cluster.sessionmaker(read=True)() as session,
    ):
        assert (session.scalar(COUNT), route(session)) == (1, "ro")
        name.move(cluster)
        token = wrote(app, cluster)
        assert (session.scalar(COUNT), route(session)) == (2, "primary")
        with causal(token):
            assert session.scalar(COUNT) == 2


def test_nobody_reads_from_a_server_that_is_not_known_yet(newest_servers: Servers, tmp_path: Path) -> None:
    """Where the monitor's connection still leads to the former one, new ones to the other serve nobody."""
    with reading_by_name(newest_servers, "psycopg2", tmp_path) as (_, name, cluster):
        name.lead_to(newest_servers.west)
        with cluster.sessionmaker(read=True)() as session:
            assert session.scalar(COUNT) == 1
            assert route(session) == "primary"
        # It is not the server's fault: others may still lead to the known one.
        assert cluster.replicas[0].failed_at < time.monotonic() - 1000
