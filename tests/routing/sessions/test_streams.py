"""Results that are streamed from a replica: how fresh each is, and what is read beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from erm_alembic.routing import (
    Cluster,
    NoReplicaAvailable,
    ReplicaConfig,
    ReplicaReadOptions,
    RoutingSession,
    causal,
    replica_read,
)
from tests.routing.applications import (
    ASYNCHRONOUS,
    SYNCHRONOUS,
    Application,
    Post,
    User,
    application,
    on_replica,
    route,
)
from tests.routing.servers import EAST, Servers

STREAMED = sa.select(Post).order_by(Post.id).execution_options(yield_per=1)
BACKENDS = (
    "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = %s"
    " AND backend_type = 'client backend' AND application_name <> 'erm routing'"
)


def _kill(app: Application, name: str) -> None:
    app.servers.standbys[name].execute(BACKENDS, app.dbname)


def test_each_is_as_fresh_as_it_has_to_be(app: Application, cluster: Cluster) -> None:
    """Not as old as the first one of the transaction."""
    with cluster.sessionmaker(read=True)() as session, cluster.sessionmaker()() as writer:
        assert [post.id for post in session.scalars(STREAMED)] == [1, 2]
        writer.add(Post(id=3, user_id=1))
        writer.commit()
        app.settle(cluster)
        with causal(writer.causal_token):
            assert [post.id for post in session.scalars(STREAMED)] == [1, 2, 3]
            assert on_replica(session)


def test_a_snapshot_answers_nothing_that_has_to_be_fresher(app: Application, cluster: Cluster) -> None:
    """However fresh its replica is by now: a token, and a stricter limit, are the primary's from then on."""
    with cluster.sessionmaker()() as writer:
        writer.add(Post(id=3, user_id=1))
        writer.commit()
        token = writer.causal_token
    count = sa.select(sa.func.count()).select_from(Post)
    reading = cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True))
    with reading() as session, reading() as strict:
        for each in (session, strict):
            each.scalar(count)
            assert on_replica(each) or app.settle(cluster) is None
    app.settle(cluster)
    with reading() as session, reading() as strict:
        assert (session.scalar(count), strict.scalar(count)) == (3, 3)
        assert on_replica(session) and on_replica(strict)
        app.settle(cluster)
        with causal(token):
            assert session.scalar(count) == 3 and route(session) == "primary"
        with replica_read(snapshot=True, max_lag=3600):
            explained = strict.explain(count).route
            assert strict.scalar(count) == 3 and route(strict) == "primary"
            assert explained is not None and explained.name == "primary"


@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_what_is_loaded_beside_one_needs_no_second_connection(driver: str, newest_servers: Servers) -> None:
    """Readers that hold one each would wait for each other's."""
    with application(newest_servers, driver) as app:
        replicas = [ReplicaConfig(EAST, app.url(app.servers.east))]
        options = {"max_conns": 1, "engine_options": {"pool_timeout": 0.01}}
        with app.cluster(replicas=replicas, **options) as cluster, cluster.sessionmaker(read=True)() as session:
            assert session.scalar(sa.select(User.name)) == "Ada"
            for post in session.scalars(STREAMED):
                session.expire(post.user)
                assert (post.user.name, route(session)) == ("Ada", EAST)
            assert session.scalar(sa.select(User.name)) == "Ada"
            assert route(session) == EAST


@pytest.mark.parametrize("driver", ASYNCHRONOUS)
def test_nor_in_asyncio(driver: str, newest_servers: Servers) -> None:
    """With `AsyncSession.stream`."""

    async def scenario(cluster: Cluster) -> None:
        async with cluster.async_sessionmaker(read=True)() as session:
            async for post in await session.stream_scalars(sa.select(Post).order_by(Post.id)):
                assert await session.scalar(sa.select(User.name).where(User.id == post.user_id)) == "Ada"
                assert route(session.sync_session) == EAST
        await cluster.aclose()

    with application(newest_servers, driver) as app:
        replicas = [ReplicaConfig(EAST, app.url(app.servers.east))]
        options = {"max_conns": 1, "engine_options": {"pool_timeout": 0.01}}
        with app.cluster(replicas=replicas, **options) as cluster:
            asyncio.run(scenario(cluster))


def _lost(app: Application, session: RoutingSession, _stream: Iterator[Post]) -> None:
    _kill(app, route(session))


def _lost_before(app: Application, session: RoutingSession, stream: Iterator[Post]) -> None:
    _kill(app, route(session))
    with pytest.raises(sa.exc.OperationalError):
        next(stream)


def _failed(_app: Application, session: RoutingSession, _stream: Iterator[Post]) -> None:
    with pytest.raises(sa.exc.DataError):
        session.scalar(sa.select(1 / (Post.id - Post.id)).select_from(Post))


@pytest.mark.parametrize("ends", [_lost, _lost_before, _failed])
def test_one_that_has_ended_ends_nothing_else(
    ends: Callable[[Application, RoutingSession, Iterator[Post]], None], app: Application, cluster: Cluster
) -> None:
    """The session reads on, from the primary, and writes."""
    with cluster.sessionmaker(read=True)() as session:
        stream = iter(session.scalars(STREAMED))
        next(stream)
        ends(app, session, stream)
        assert session.scalar(sa.select(User.name)) == "Ada"
        assert route(session) == "primary"
        session.add(User(id=2, name="Grace"))
        session.commit()
    assert app.on_primary("SELECT count(*) FROM users") == [(2,)]
    assert [node.in_use(False) for node in cluster.replicas] == [0, 0]


def test_a_statement_that_forbids_the_primary_is_heard_when_its_replica_is_lost(
    app: Application, cluster: Cluster
) -> None:
    """As a block that does."""
    strict = {"replica_read": ReplicaReadOptions(disable_fallback=True)}
    names = sa.select(User.name)
    for options, statement in (({"execution_options": strict}, names), ({}, names.execution_options(**strict))):
        with cluster.sessionmaker(read=True)() as session:
            assert session.scalar(statement, **options) == "Ada"
            _kill(app, route(session))
            with pytest.raises(NoReplicaAvailable):
                session.scalar(statement, **options)
        app.settle(cluster)
