"""Routing for asyncio: the same decisions within SQLAlchemy's own AsyncSession, on both drivers that have it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from erm_alembic.errors import StaleReplicaWrite
from erm_alembic.routing import Cluster, ReplicaReadOptions, RoutingSession, causal, replica_read
from erm_alembic.routing.tokens import read_token
from tests.routing.applications import ASYNCHRONOUS, Application, Post, User, application
from tests.routing.servers import EAST, WEST, Servers

USERS = sa.select(User)
Scenario = Callable[[Application, Cluster], Coroutine[Any, Any, None]]


@pytest.fixture(params=ASYNCHRONOUS)
def app(request: pytest.FixtureRequest, newest_servers: Servers) -> Iterator[Application]:
    """An application of each driver for asyncio."""
    with application(newest_servers, request.param) as app:
        yield app


def _run(app: Application, scenario: Scenario) -> None:
    with app.cluster() as cluster:

        async def main() -> None:
            try:
                await asyncio.wait_for(scenario(app, cluster), 60)
            finally:
                await cluster.aclose()

        asyncio.run(main())


def _route(session: Any) -> str:
    return str(session.last_route.name)


def test_reads_and_writes_find_their_servers(app: Application) -> None:
    """Within a block, within its own transaction, after a write, after an explicit begin."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        make = cluster.async_sessionmaker()
        async with make() as session:
            await session.scalars(USERS)
            assert _route(session) == "primary"
        async with make(read=True) as session:
            ada = (await session.scalars(USERS.options(selectinload(User.posts)))).one()
            assert _route(session) in (EAST, WEST) and len(ada.posts) == 2
            session.add(User(id=2, name="Grace"))
            assert len((await session.scalars(USERS)).all()) == 2
            assert _route(session) == "primary"
            await session.commit()

    _run(app, scenario)


def test_a_session_explains_where_a_statement_would_go(app: Application) -> None:
    """As a synchronous one does, without anything being sent."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        async with cluster.async_sessionmaker(read=True)() as session:
            await session.scalars(USERS)
            explained = session.explain(USERS)
            assert explained.route is not None and explained.route.name in (EAST, WEST, f"{EAST} or {WEST}")
            await session.execute(sa.text("SELECT 1 AS one"))
            explained = session.explain(USERS)
            assert explained.route is not None and explained.route.reason == "the transaction is on the primary"

    _run(app, scenario)


def test_an_explicit_begin_is_the_primarys(app: Application) -> None:
    """As with a synchronous session."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        async with cluster.async_sessionmaker(read=True).begin() as session:
            await session.scalars(USERS)
            assert _route(session) == "primary"

    _run(app, scenario)


def test_an_expired_attribute_is_refreshed_where_the_commit_is(app: Application) -> None:
    """Replicas that are behind are not asked."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        app.servers.pause(EAST)
        app.servers.pause(WEST)
        async with cluster.async_sessionmaker(read=True)() as session:
            grace = User(id=2, name="Grace")
            session.add(grace)
            await session.commit()
            await session.refresh(grace)
            assert (grace.name, _route(session)) == ("Grace", "primary")

    _run(app, scenario)


def test_a_stale_object_is_not_written(app: Application) -> None:
    """The guard runs within the flush, wherever that runs."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        app.servers.pause(EAST)
        app.servers.pause(WEST)
        app.on_primary("UPDATE users SET score = 100")
        async with cluster.async_sessionmaker(read=True)() as session:
            ada = await session.get_one(User, 1)
            ada.score += 1
            with pytest.raises(StaleReplicaWrite):
                await session.commit()

    _run(app, scenario)


def test_a_block_of_one_task_is_not_anothers(app: Application) -> None:
    """Tasks side by side on one loop read each where it chose."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        make = cluster.async_sessionmaker()

        async def read(opted_in: bool) -> bool:
            async with make() as session:
                if not opted_in:
                    await session.scalars(USERS)
                    return _route(session) == "primary"
                with replica_read():
                    await session.scalars(USERS)
                    return _route(session) in (EAST, WEST)

        assert all(await asyncio.gather(*(read(number % 2 == 0) for number in range(8))))

    _run(app, scenario)


def test_a_killed_replica_is_replaced_and_the_session_goes_on(app: Application) -> None:
    """Errors are told by SQLSTATE and by lost connections, whatever the driver calls them."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        async with cluster.async_sessionmaker(read=True)() as session:
            await session.scalars(USERS)
            first = _route(session)
            await session.rollback()
            app.servers.standbys[first].stop("immediate")
            for _ in range(3):
                assert len((await session.scalars(USERS)).all()) == 1
                assert _route(session) != first
                await session.rollback()
            session.add(User(id=2, name="Grace"))
            await session.commit()
        assert app.on_primary("SELECT count(*) FROM users") == [(2,)]

    _run(app, scenario)


def test_waiting_for_a_replica_does_not_hold_up_the_loop(app: Application) -> None:
    """Other tasks go on while one waits."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        app.servers.pause(EAST)
        app.servers.pause(WEST)
        async with cluster.async_sessionmaker(read=ReplicaReadOptions(max_wait=30))() as session:
            session.add(User(id=2, name="Grace"))
            await session.commit()
            waiting = asyncio.create_task(session.scalars(USERS))
            # This task goes on, which it could not if the loop were held up.
            await asyncio.to_thread(app.servers.resume, WEST)
            assert len((await waiting).all()) == 2
            assert _route(session) == WEST

    _run(app, scenario)


def test_a_token_is_had_and_honoured(app: Application) -> None:
    """From a session for asyncio, in another."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        async with cluster.async_sessionmaker()() as session:
            assert await session.causal_token() is None
            session.add(User(id=2, name="Grace"))
            await session.commit()
            token = await session.causal_token()
        assert token is not None and read_token(token) is not None
        with causal(token):
            async with cluster.async_sessionmaker(read=ReplicaReadOptions(max_wait=30))() as other:
                assert len((await other.scalars(USERS)).all()) == 2
                assert _route(other) in (EAST, WEST)

    _run(app, scenario)


def test_a_streamed_result_has_a_transaction_for_its_cursor(app: Application) -> None:
    """A replica's other connections have none."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        async with cluster.async_sessionmaker(read=True)() as session:
            found = [post.id async for post in await session.stream_scalars(sa.select(Post).order_by(Post.id))]
            assert found == [1, 2] and _route(session) in (EAST, WEST)

    _run(app, scenario)


def test_an_async_session_of_the_applications_own_routes_too(app: Application) -> None:
    """What counts is the synchronous session within."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        session = AsyncSession(sync_session_class=RoutingSession, cluster=cluster, asynchronous=True, read=True)
        async with session:
            assert len((await session.scalars(USERS)).all()) == 1
            assert _route(session.sync_session) in (EAST, WEST)

    _run(app, scenario)
