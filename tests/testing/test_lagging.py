"""A replica that lags on demand, in one database: what it shows, what is said of it, and what it refuses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from erm_alembic.errors import ConfigurationError, TargetError
from erm_alembic.routing import NoReplicaAvailable, ReplicaReadOptions, StaleReplicaWrite, causal, replica_read
from erm_alembic.routing.failures import sqlstate_of
from erm_alembic.testing.lagging import LaggingReplica
from erm_alembic.testing.servers import with_driver
from tests.routing.applications import Base, Post, User
from tests.support.databases import Database

USERS = sa.select(User)


def _replica(database: Database, driver: str) -> Iterator[LaggingReplica]:
    with LaggingReplica(with_driver(database.url, driver)) as replica:
        Base.metadata.create_all(replica.cluster.writer())
        with replica.cluster.sessionmaker()() as session:
            session.add(User(id=1, name="Ada", posts=[Post(id=1), Post(id=2)]))
            session.commit()
        replica.advance()
        yield replica


@pytest.fixture(params=["psycopg2", "psycopg"])
def replica(request: pytest.FixtureRequest, one_database: Database) -> Iterator[LaggingReplica]:
    """A replica of each synchronous driver, on which Ada has two posts."""
    yield from _replica(one_database, request.param)


@pytest.fixture(params=["psycopg", "asyncpg"])
def async_replica(request: pytest.FixtureRequest, one_database: Database) -> Iterator[LaggingReplica]:
    """The same of each driver for asyncio."""
    yield from _replica(one_database, request.param)


def _where(session: Any) -> str:
    return str(session.last_route.name)


def _write(replica: LaggingReplica) -> None:
    with replica.cluster.writer().begin() as connection:
        connection.execute(sa.text("UPDATE users SET score = 100"))


def test_it_shows_what_was_committed_at_the_last_advance(replica: LaggingReplica) -> None:
    """Statement by statement, as on a standby; whatever a session has read before."""
    with replica.cluster.sessionmaker(read=True)() as session:
        assert session.scalar(sa.select(User.score)) == 0
        _write(replica)
        assert (session.scalar(sa.select(User.score)), _where(session)) == (0, "replica")
        replica.advance()
        assert (session.scalar(sa.select(User.score)), _where(session)) == (100, "replica")


def test_one_snapshot_holds_for_a_transaction_that_asks_for_it(replica: LaggingReplica) -> None:
    """As on a standby, an advance does not show in it; nor in a result that is streamed."""
    with replica.cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True))() as session:
        assert session.scalar(sa.select(User.score)) == 0
        _write(replica)
        replica.advance()
        assert session.scalar(sa.select(User.score)) == 0
        session.rollback()
        assert session.scalar(sa.select(User.score)) == 100
        session.rollback()
        posts = session.scalars(sa.select(Post.id).order_by(Post.id).execution_options(yield_per=1))
        assert (list(posts), _where(session)) == ([1, 2], "replica")


def test_what_is_streamed_is_as_fresh_as_its_replica(replica: LaggingReplica) -> None:
    """What an advance adds while the transaction of a cursor lasts, the primary answers: a standby would have it."""
    with replica.cluster.sessionmaker(read=True)() as session:
        scores = sa.select(User.score).execution_options(yield_per=1)
        assert (list(session.scalars(scores)), _where(session)) == ([0], "replica")
        _write(replica)
        assert (list(session.scalars(scores)), _where(session)) == ([0], "replica")
        replica.advance()
        assert list(session.scalars(scores)) == [100]


def test_nobody_reads_less_than_they_wrote(replica: LaggingReplica) -> None:
    """Not in the session that wrote, nor where its token was taken to, until the replica has it."""
    make = replica.cluster.sessionmaker(read=True)
    with make() as session:
        session.get_one(User, 1).score = 5
        session.commit()
        token = session.causal_token
        assert (session.scalar(sa.select(User.score)), _where(session)) == (5, "primary")
    with make() as session, causal(token):
        assert (session.scalar(sa.select(User.score)), _where(session)) == (5, "primary")
        session.rollback()
        replica.advance()
        assert (session.scalar(sa.select(User.score)), _where(session)) == (5, "replica")


def test_a_change_of_what_was_read_stale_is_refused(replica: LaggingReplica) -> None:
    """The guard works on it as on a standby."""
    _write(replica)
    with replica.cluster.sessionmaker(read=True)() as session:
        session.get_one(User, 1).score += 1
        with pytest.raises(StaleReplicaWrite):
            session.flush()


def test_whoever_waits_for_it_goes_on_at_the_next_advance(replica: LaggingReplica) -> None:
    """`max_wait` ends with the replica, not with the primary."""
    with replica.cluster.sessionmaker(read=ReplicaReadOptions(max_wait=60))() as session:
        session.add(User(id=2, name="Grace"))
        session.commit()
        advancing = threading.Timer(0.0, replica.advance)
        advancing.start()
        assert (len(session.scalars(USERS).all()), _where(session)) == (2, "replica")
        advancing.join()


@pytest.mark.parametrize(("lag", "fit"), [(4, True), ("6s", False), ("1MB", True), (None, False)])
def test_its_lag_is_what_it_is_said_to_be(lag: Any, fit: bool, one_database: Database) -> None:
    """However long a test takes."""
    for replica in _replica(one_database, "psycopg2"):
        replica.lag = lag
        with replica.cluster.sessionmaker()() as session, replica_read(max_lag=5):
            session.scalars(USERS).all()
            assert _where(session) == ("replica" if fit else "primary")
            session.rollback()
        with replica.cluster.sessionmaker()() as session, replica_read(max_lag="64kB"):
            session.scalars(USERS).all()
            assert _where(session) == ("primary" if lag == "1MB" else "replica")
        state = replica.cluster.status().replicas["replica"]
        assert (state.lag, state.lag_bytes) == (replica.lag, 2**20 if lag == "1MB" else 0)


def test_it_fails_and_recovers_as_it_is_told(replica: LaggingReplica) -> None:
    """The primary answers, or nobody where it may not."""
    make = replica.cluster.sessionmaker()
    replica.fail()
    with make() as session, replica_read():
        session.scalars(USERS).all()
        assert _where(session) == "primary"
        assert session.explain(USERS).replicas == {"replica": "it was told to fail"}
    with make() as session, replica_read(disable_fallback=True), pytest.raises(NoReplicaAvailable):
        session.scalars(USERS).all()
    replica.recover()
    with make() as session, replica_read():
        session.scalars(USERS).all()
        assert _where(session) == "replica"


def test_a_transaction_that_is_under_way_hears_of_it(replica: LaggingReplica) -> None:
    """What was decided for its first read does not hold for the next one where the lag is another."""
    with replica.cluster.sessionmaker()() as session, replica_read(max_lag=5):
        session.scalars(USERS).all()
        assert _where(session) == "replica"
        replica.lag = 6
        session.scalars(USERS).all()
        assert _where(session) == "primary"


def test_it_refuses_writes_as_a_standby_does(replica: LaggingReplica) -> None:
    """With 25006; and what is no read is sent to the primary in the first place."""
    for statement in ("DELETE FROM posts", "CREATE TABLE x ()", "SELECT nextval('users_id_seq')"):
        with replica.cluster.reader().connect() as connection, pytest.raises(sa.exc.DBAPIError) as refused:
            connection.execute(sa.text(statement))
        assert sqlstate_of(refused.value) == "25006"
        assert not refused.value.connection_invalidated
    with replica.cluster.reader(ReplicaReadOptions(snapshot=True)).connect() as connection:
        with pytest.raises(sa.exc.DBAPIError) as refused:
            connection.execute(sa.text("DELETE FROM posts"))
        assert sqlstate_of(refused.value) == "25006"


def test_an_error_leaves_its_connections_usable(replica: LaggingReplica) -> None:
    """The transaction of a statement ends with it, whatever becomes of it."""
    with replica.cluster.sessionmaker(read=True)() as session:
        for _ in range(3):
            with pytest.raises(sa.exc.DBAPIError):
                session.scalar(sa.select(sa.literal(1) / sa.cast(User.score, sa.Integer)))
            assert (session.scalar(sa.select(User.score)), _where(session)) == (0, "replica")
            session.rollback()
    with replica.cluster.writer().begin() as connection:
        held = "SELECT count(*) FROM pg_locks JOIN pg_class c ON c.oid = relation WHERE relname IN ('users', 'posts')"
        assert connection.scalar(sa.text(held)) == 0  # so that whoever cleans up waits for nobody


def test_functions_that_were_made_meanwhile_are_known(replica: LaggingReplica) -> None:
    """At once; that one was altered is known after an advance, as the monitor of a real cluster finds it by and by."""
    with replica.cluster.writer().begin() as connection:
        connection.execute(sa.text("CREATE FUNCTION five() RETURNS int LANGUAGE sql STABLE AS 'SELECT 5'"))
    with replica.cluster.sessionmaker(read=True)() as session:
        assert (session.scalar(sa.select(sa.func.five())), _where(session)) == (5, "replica")
        session.rollback()
        with replica.cluster.writer().begin() as connection:
            connection.execute(sa.text("ALTER FUNCTION five() VOLATILE"))
        replica.advance()
        assert (session.scalar(sa.select(sa.func.five())), _where(session)) == (5, "primary")


def test_it_works_for_asyncio(async_replica: LaggingReplica) -> None:
    """Statement by statement, in one snapshot, and streamed."""

    async def scenario() -> None:
        make = async_replica.cluster.async_sessionmaker()
        async with make(read=True) as session:
            assert await session.scalar(sa.select(User.score)) == 0
            await asyncio.to_thread(_write, async_replica)
            assert (await session.scalar(sa.select(User.score)), _where(session)) == (0, "replica")
            with pytest.raises(sa.exc.DBAPIError):
                await session.scalar(sa.select(sa.literal(1) / sa.cast(User.score, sa.Integer)))
            async_replica.advance()
            assert (await session.scalar(sa.select(User.score)), _where(session)) == (100, "replica")
            await session.rollback()
            found = [post async for post in await session.stream_scalars(sa.select(Post.id).order_by(Post.id))]
            assert (found, _where(session)) == ([1, 2], "replica")
        async with make(read=ReplicaReadOptions(snapshot=True)) as session:
            assert (await session.scalar(sa.select(User.score)), _where(session)) == (100, "replica")
        async with make(read=True) as session:
            session.add(User(id=2, name="Grace"))
            await session.commit()
            assert (len((await session.scalars(USERS)).all()), _where(session)) == (2, "primary")
        await async_replica.cluster.aclose()

    asyncio.run(scenario())


def test_an_address_that_leads_nowhere_is_told_without_its_password(secret: str) -> None:
    """With what to change."""
    with pytest.raises(TargetError) as refused:
        LaggingReplica(f"postgresql://app:{secret}@127.0.0.1:1/shop")
    assert "erm_replica_url" in refused.value.cure
    with pytest.raises(ConfigurationError):
        LaggingReplica("mysql://db/shop")
