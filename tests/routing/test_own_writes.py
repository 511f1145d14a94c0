"""A session reads what it has committed, however that came to be committed; replicas do not replay meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from erm_alembic.routing import Cluster, RoutingSession
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
from tests.routing.servers import EAST, WEST, Servers

USERS = sa.select(User)
COUNT = sa.select(sa.func.count()).select_from(User)
INSERT = sa.text("INSERT INTO users VALUES (2, 'Grace', 1)")
AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT"}


@pytest.fixture(params=SYNCHRONOUS)
def app(request: pytest.FixtureRequest, newest_servers: Servers) -> Iterator[Application]:
    """An application whose replicas see nothing of what is committed from now on."""
    with application(newest_servers, request.param) as app:
        app.on_primary("DROP PROCEDURE IF EXISTS add_user")
        app.on_primary("CREATE PROCEDURE add_user() LANGUAGE sql AS 'INSERT INTO users VALUES (2, ''Grace'', 1)'")
        yield app


@pytest.fixture
def cluster(app: Application) -> Iterator[Cluster]:
    """Its cluster, with replicas that were fresh, and stand still."""
    with app.cluster() as cluster:
        app.servers.pause(EAST)
        app.servers.pause(WEST)
        yield cluster


def _autocommit(end: str) -> Callable[[RoutingSession, Cluster], None]:
    def write(session: RoutingSession, _cluster: Cluster) -> None:
        session.connection(execution_options=AUTOCOMMIT)
        session.execute(INSERT)
        getattr(session, end)()

    return write


def _calls(session: RoutingSession, _cluster: Cluster) -> None:
    session.connection(execution_options=AUTOCOMMIT)
    session.execute(sa.text("CALL add_user()"))
    session.close()


def _by_bind_arguments(session: RoutingSession, cluster: Cluster) -> None:
    session.execute(INSERT, bind_arguments={"bind": cluster.writer()})
    session.commit()


def _by_text(session: RoutingSession, _cluster: Cluster) -> None:
    session.execute(INSERT)
    session.execute(sa.text("COMMIT"))
    session.rollback()


def _by_connection(session: RoutingSession, _cluster: Cluster) -> None:
    connection = session.connection()
    connection.execute(INSERT)
    connection.commit()
    session.rollback()


def _by_driver(session: RoutingSession, _cluster: Cluster) -> None:
    connection = session.connection().connection
    connection.cursor().execute(INSERT.text)
    connection.commit()
    session.rollback()


@pytest.mark.filterwarnings("ignore:transaction already deassociated")
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(_autocommit("rollback"), id="autocommit and rollback"),
        pytest.param(_autocommit("close"), id="autocommit and close"),
        pytest.param(_calls, id="a procedure"),
        pytest.param(_by_bind_arguments, id="bind_arguments"),
        pytest.param(_by_text, id="text"),
        pytest.param(_by_connection, id="its connection"),
        pytest.param(_by_driver, id="the driver"),
    ],
)
def test_a_session_reads_what_it_has_committed_behind_its_own_back(
    write: Callable[[RoutingSession, Cluster], None], cluster: Cluster
) -> None:
    """From the primary while no replica has it; and it has a token for it."""
    with cluster.sessionmaker(read=True)() as session:
        write(session, cluster)
        assert session.scalar(COUNT) == 2
        assert route(session) == "primary"
        assert session.causal_token is not None


def test_engines_that_commit_each_statement_keep_what_is_rolled_back(app: Application) -> None:
    """Their sessions know it, and also that a read keeps nothing."""
    with app.cluster(engine_options=AUTOCOMMIT) as cluster:
        app.servers.pause(EAST)
        app.servers.pause(WEST)
        with cluster.sessionmaker(read=True)() as session:
            assert session.scalar(COUNT) == 1 and on_replica(session)
            session.rollback()
            assert session.causal_token is None
            session.add(User(id=2, name="Grace"))
            session.flush()
            session.rollback()
            assert session.scalar(COUNT) == 2
            assert session.causal_token is not None


def test_what_models_that_are_bound_have_written_is_read_through_others(cluster: Cluster) -> None:
    """`binds` lead to the same primary."""
    with cluster.sessionmaker(read=True, binds={User: cluster.writer()})() as session:
        session.add(User(id=2, name="Grace"))
        session.commit()
        assert session.scalar(sa.select(sa.func.count()).select_from(sa.table("users"))) == 2
        assert route(session) == "primary"


def test_what_was_surely_rolled_back_lets_replicas_go_on_answering(cluster: Cluster) -> None:
    """Nothing that SQLAlchemy makes ends a transaction."""
    with cluster.sessionmaker(read=True)() as session:
        session.add(User(id=2, name="Grace"))
        session.flush()
        session.execute(sa.update(User).values(name="x"))
        session.execute(USERS.with_for_update())
        session.rollback()
        assert session.scalar(COUNT) == 1 and on_replica(session)
        assert session.causal_token is None


def test_the_last_route_tells_of_what_the_application_bound_too(app: Application, cluster: Cluster) -> None:
    """And of what comes after it."""
    elsewhere = sa.create_engine(cluster.writer().url, creator=lambda: None)
    with cluster.sessionmaker(read=True)() as session:
        session.scalars(sa.select(Post)).all()
        assert on_replica(session)
        session.scalars(USERS, bind_arguments={"bind": cluster.writer()}).all()
        assert route(session) == "primary"
        assert str(session.last_route) == "primary: the application named the engine"
        session.get_bind(bind=elsewhere)
        assert route(session) == "elsewhere"
        session.scalars(USERS).all()
        assert str(session.last_route) == "primary: the transaction is on the primary"
        session.rollback()
        session.scalars(USERS, bind_arguments={"bind": cluster.reader()}).all()
        assert on_replica(session)


@pytest.mark.parametrize("driver", ASYNCHRONOUS)
def test_sessions_of_asyncio_read_it_too(driver: str, newest_servers: Servers) -> None:
    """AUTOCOMMIT is told of their drivers as well."""

    async def run(cluster: Cluster) -> Any:
        async with cluster.async_sessionmaker(read=True)() as session:
            await session.connection(execution_options=AUTOCOMMIT)
            await session.execute(INSERT)
            await session.close()
            count = await session.scalar(COUNT)
            last = session.last_route
            token = await session.causal_token()
        await cluster.aclose()
        return count, last is not None and last.name, token is not None

    async def keeps_nothing(cluster: Cluster) -> Any:
        async with cluster.async_sessionmaker(read=True)() as session:
            session.add(User(id=3, name="Alan"))
            await session.flush()
            await session.rollback()
            token = await session.causal_token()
        await cluster.aclose()
        return token

    with application(newest_servers, driver) as app, app.cluster() as cluster:
        newest_servers.pause(EAST)
        newest_servers.pause(WEST)
        assert asyncio.run(run(cluster)) == (2, "primary", True)
    newest_servers.mend()
    with app.cluster(engine_options=AUTOCOMMIT) as cluster:
        assert asyncio.run(keeps_nothing(cluster)) is not None
    app.on_primary("DELETE FROM users WHERE id = 3")
    with app.cluster() as cluster:
        assert asyncio.run(keeps_nothing(cluster)) is None
