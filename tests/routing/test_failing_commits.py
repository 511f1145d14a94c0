"""A commit that the primary refuses, after reads from a replica in the same transaction."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from erm_alembic.routing import Cluster, ReplicaReadOptions, replica_read
from tests.routing.applications import ASYNCHRONOUS, SYNCHRONOUS, User, application, on_replica
from tests.routing.servers import Servers

# Refused at the commit alone.
TWICE = sa.text("INSERT INTO once VALUES (1), (1)")


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_what_the_replica_had_is_not_rolled_back_after_it_was_committed(driver: str, newest_servers: Servers) -> None:
    """SQLAlchemy commits the connections of a session in no order, and warns where it rolls back one of them later."""
    with application(newest_servers, driver) as app:
        app.on_primary("CREATE TABLE IF NOT EXISTS once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        with app.cluster() as cluster, warnings.catch_warnings():
            warnings.simplefilter("error", sa.exc.SAWarning)
            # Often enough to meet both orders.
            for _ in range(8):
                with cluster.sessionmaker()() as session:
                    with replica_read():
                        assert session.scalars(sa.select(User.name)).all() == ["Ada"]
                    assert on_replica(session)
                    session.execute(TWICE)
                    with pytest.raises(sa.exc.IntegrityError):
                        session.commit()
                    session.rollback()
            assert [node.in_use(False) for node in cluster.replicas] == [0, 0]
        assert app.on_primary("SELECT count(*) FROM once") == [(0,)]


class Stopped(BaseException):
    """What ends a worker: a signal's exception, a greenlet's, a task's."""


@contextmanager
def _stopped(cluster: Cluster, *, asynchronous: bool) -> Iterator[None]:
    """Stop whoever reads from a replica as soon as it has answered."""

    def stop(*_: object) -> None:
        raise asyncio.CancelledError if asynchronous else Stopped

    engines = [node.engine(asynchronous) for node in cluster.replicas]
    for engine in engines:
        sa.event.listen(engine, "after_cursor_execute", stop)
    try:
        yield
    finally:
        for engine in engines:
            sa.event.remove(engine, "after_cursor_execute", stop)


@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_a_read_that_was_stopped_on_a_replica_does_not_fail_the_commit(driver: str, newest_servers: Servers) -> None:
    """SQLAlchemy gives up its connection, which would fail the commit before or after the primary's has succeeded."""
    with application(newest_servers, driver) as app, app.cluster() as cluster:
        for number in range(8):
            with cluster.sessionmaker(read=True)() as session:
                assert session.scalars(sa.select(User.name)).first() == "Ada" and on_replica(session)
                with _stopped(cluster, asynchronous=False), pytest.raises(Stopped):
                    session.scalar(sa.select(User.name))
                session.add(User(id=10 + number, name="Grace"))
                session.commit()
        assert app.on_primary("SELECT count(*) FROM users") == [(9,)]
        assert [node.in_use(False) for node in cluster.replicas] == [0, 0]


@pytest.mark.parametrize("driver", ASYNCHRONOUS)
def test_nor_does_one_that_was_cancelled(driver: str, newest_servers: Servers) -> None:
    """As `asyncio.wait_for` does; a session whose snapshot was lost so says it at its next read."""

    async def scenario(cluster: Cluster) -> None:
        for number in range(8):
            async with cluster.async_sessionmaker(read=True)() as session:
                assert await session.scalar(sa.select(User.name).where(User.id == 1)) == "Ada"
                assert on_replica(session.sync_session)
                with _stopped(cluster, asynchronous=True), pytest.raises(asyncio.CancelledError):
                    await session.scalar(sa.select(User.name))
                session.add(User(id=10 + number, name="Grace"))
                await session.commit()
        async with cluster.async_sessionmaker(read=ReplicaReadOptions(snapshot=True))() as session:
            await session.scalar(sa.select(User.name))
            with _stopped(cluster, asynchronous=True), pytest.raises(asyncio.CancelledError):
                await session.scalar(sa.select(User.name))
            with pytest.raises(sa.exc.PendingRollbackError):
                await session.scalar(sa.select(User.name))
        await cluster.aclose()

    with application(newest_servers, driver) as app, app.cluster() as cluster:
        asyncio.run(scenario(cluster))
        assert app.on_primary("SELECT count(*) FROM users") == [(9,)]
