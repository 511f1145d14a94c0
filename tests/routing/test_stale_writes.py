"""Whatever way an object that was read stale takes, its row is not overwritten with what was made of that."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from erm_alembic.errors import StaleReplicaWrite
from erm_alembic.routing import Cluster, RoutingSession, primary, replica_read
from tests.routing.applications import Application, Post, User, application, on_replica
from tests.routing.servers import EAST, WEST, Servers

ADA = sa.select(User).where(User.id == 1)
ELSEWHERE = "UPDATE users SET score = 1000"


@pytest.fixture
def app(newest_servers: Servers) -> Iterator[Application]:
    """An application on one driver: what is held against what, is none of theirs."""
    with application(newest_servers, "psycopg2") as app:
        yield app


def _hold(app: Application) -> None:
    app.servers.pause(EAST)
    app.servers.pause(WEST)


def _listed(session: RoutingSession) -> None:
    session.scalars(ADA).all()


def _populated(session: RoutingSession) -> None:
    session.scalars(ADA.execution_options(populate_existing=True)).all()


def _joined(session: RoutingSession) -> None:
    session.scalars(sa.select(Post).options(joinedload(Post.user))).all()


def _selected(session: RoutingSession) -> None:
    session.scalars(sa.select(Post).options(selectinload(Post.user))).all()


def _reloaded(session: RoutingSession) -> None:
    session.refresh(session.get_one(User, 1))


@pytest.mark.parametrize("refresh", [_listed, _populated, _joined, _selected, _reloaded])
def test_an_object_that_a_replica_refreshed_is_not_written_over_its_row(
    refresh: Callable[[RoutingSession], None], app: Application, cluster: Cluster
) -> None:
    """It was in the session before, from the primary, and expired since."""
    _hold(app)
    with cluster.sessionmaker()() as session:
        ada = session.get_one(User, 1)
        session.commit()
        app.on_primary(ELSEWHERE)
        with replica_read():
            refresh(session)
            assert on_replica(session)
        ada.score += 1
        with pytest.raises(StaleReplicaWrite):
            session.commit()
    assert app.on_primary("SELECT score FROM users") == [(1000,)]


def test_what_the_primary_loaded_is_not_taken_for_a_replicas(app: Application, cluster: Cluster) -> None:
    """A replica that finds it again, and adds nothing to it but what it refers to, changes nothing about that."""
    with cluster.sessionmaker(expire_on_commit=False)() as session:
        ada = session.get_one(User, 1)
        session.commit()
        app.on_primary(ELSEWHERE)
        with replica_read():
            session.scalars(ADA.options(joinedload(User.posts))).unique().all()
            assert on_replica(session) and len(ada.posts) == 2
        ada.name = "Ada L."
        session.commit()
    assert app.on_primary("SELECT name, score FROM users") == [("Ada L.", 1000)]


def _merged(session: RoutingSession, ada: User) -> None:
    ada.score += 1
    session.merge(ada)


def _merged_unchanged(session: RoutingSession, ada: User) -> None:
    session.merge(ada)


def _merged_by_another(session: RoutingSession, ada: User) -> None:
    session.merge(Post(id=7, user=ada))


def _cached(session: RoutingSession, ada: User) -> None:
    session.merge(pickle.loads(pickle.dumps(ada)), load=False).score += 1


def _saved_in_bulk(session: RoutingSession, ada: User) -> None:
    ada.score += 1
    session.bulk_save_objects([ada])


def _saved_in_bulk_as_it_was(session: RoutingSession, ada: User) -> None:
    session.bulk_save_objects([ada], update_changed_only=False)


@pytest.mark.parametrize(
    "write", [_merged, _merged_unchanged, _merged_by_another, _cached, _saved_in_bulk, _saved_in_bulk_as_it_was]
)
@pytest.mark.parametrize("elsewhere", [True, False])
def test_an_object_of_another_session_is_held_against_its_row_too(
    elsewhere: bool, write: Callable[[RoutingSession, User], None], app: Application, cluster: Cluster
) -> None:
    """What counts is what it was loaded with, not what the row is when it is merged; where both agree it is written."""
    _hold(app)
    with cluster.sessionmaker(read=True, expire_on_commit=False)() as session:
        ada = session.get_one(User, 1)
        assert on_replica(session)
    if elsewhere:
        app.on_primary(ELSEWHERE)
    with cluster.sessionmaker()() as session:
        if elsewhere:
            with pytest.raises(StaleReplicaWrite):
                write(session, ada)
                session.commit()
        else:
            write(session, ada)
            session.commit()
    score = app.on_primary("SELECT score FROM users")[0][0]
    assert score == 1000 if elsewhere else score in (1, 2)


@pytest.mark.parametrize("bound", [True, False])
def test_an_object_of_a_replica_that_was_named_is_held_against_its_row(
    bound: bool, app: Application, cluster: Cluster
) -> None:
    """By the session's `bind`, or the statement's; and it may be written by another session."""
    _hold(app)
    app.on_primary(ELSEWHERE)
    options = {"bind": cluster.reader()}
    with cluster.sessionmaker(expire_on_commit=False, **(options if bound else {}))() as session:
        ada = session.scalars(ADA, **({} if bound else {"bind_arguments": options})).one()
        assert on_replica(session)
    with cluster.sessionmaker()() as session:
        session.add(ada)
        ada.score += 1
        with pytest.raises(StaleReplicaWrite):
            session.commit()


def test_nothing_is_written_upon_what_no_lock_keeps(app: Application) -> None:
    """Over a connection that commits each statement, somebody else may write between the look and the write."""
    with app.cluster(engine_options={"isolation_level": "AUTOCOMMIT"}) as cluster:
        with cluster.sessionmaker(read=True)() as session:
            session.get_one(User, 1).score += 1
            with pytest.raises(StaleReplicaWrite, match="commits each statement"):
                session.commit()
        with cluster.sessionmaker(read=True)() as session, primary():
            session.get_one(User, 1).score += 1
            session.commit()
    assert app.on_primary("SELECT score FROM users") == [(2,)]


def test_a_list_read_between_own_writes_is_held_against_its_rows_in_asyncio(newest_servers: Servers) -> None:
    """A worker's session: its own write is replayed, another's after that is not."""

    async def scenario(app: Application, cluster: Cluster) -> None:
        async with cluster.async_sessionmaker(read=True, expire_on_commit=False)() as session:
            ada = await session.get_one(User, 1)
            ada.name = "Ada L."
            await session.commit()
            app.settle(cluster)
            _hold(app)
            app.on_primary(ELSEWHERE)
            await session.scalars(ADA.execution_options(populate_existing=True))
            assert on_replica(session.sync_session)
            ada.score += 1
            with pytest.raises(StaleReplicaWrite):
                await session.commit()
        await cluster.aclose()

    with application(newest_servers, "asyncpg") as app, app.cluster() as cluster:
        asyncio.run(scenario(app, cluster))
        assert app.on_primary("SELECT name, score FROM users") == [("Ada L.", 1000)]
