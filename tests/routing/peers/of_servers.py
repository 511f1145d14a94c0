"""Scenarios of connections, contexts and servers."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import sqlalchemy as sa

from erm_alembic.routing import ReplicaReadOptions, causal
from tests.routing.applications import Application, Post, User
from tests.routing.peers.adapters import REPLICAS, Peer
from tests.routing.peers.world import World, moving_address, world_of

USERS = sa.select(User)
COUNT = sa.select(sa.func.count()).select_from(User)


def one_replica(world: World) -> None:
    with world.session() as session:
        for _ in range(20):
            del world.seen[:]
            assert len(session.get_one(User, 1).posts) == 2
            session.scalars(sa.select(Post)).all()
            world.assert_from_replica()
            assert len(set(world.seen)) == 1, "one transaction read from two replicas"
            session.commit()


def killed_backend(world: World) -> None:
    with world.session() as session:
        session.scalars(USERS).all()
        world.assert_from_replica()
        for standby in world.app.servers.standbys.values():
            standby.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"
                " AND backend_type = 'client backend' AND application_name <> 'erm routing'",
                world.app.dbname,
            )
        assert len(session.scalars(USERS).all()) == 1
        session.add(User(id=3, name="Edsger"))
        session.commit()
    assert world.app.on_primary("SELECT count(*) FROM users") == [(2,)]


def error_identity(world: World) -> None:
    world.needs("retries")
    world.app.on_primary(
        "CREATE OR REPLACE FUNCTION conflicts() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN"
        " IF pg_is_in_recovery() THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END IF; RETURN 1; END $$"
    )
    learned = world.opened.erm.monitor.volatility
    world.opened.settle()
    world.opened.erm.monitor.read_catalogs()
    world.opened.erm.monitor.wait_for(lambda: world.opened.erm.monitor.volatility is not learned, 30.0)
    with world.session() as session:
        assert session.scalar(sa.select(sa.func.conflicts())) == 1
        assert set(world.seen) & REPLICAS, "the function was not asked of a replica"


def options(world: World) -> None:
    before = _backends(world)
    for number in range(10):
        with world.session() as session:
            session.execute(USERS, execution_options={f"option_{number}": number})
            world.assert_from_replica()
            session.execute(USERS.execution_options(yield_per=5)).all()
    made = len(_backends(world) - before)
    assert made <= 4, f"ten sessions, one after the other, left {made} connections to two replicas"


def _backends(world: World) -> set[tuple[str, int]]:
    """The processes of the replicas that serve the application; some may be about to end."""
    query = (
        "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
        " AND application_name <> 'erm routing'"
    )
    standbys = world.app.servers.standbys.items()
    return {(name, pid) for name, standby in standbys for (pid,) in standby.execute(query, world.app.dbname)}


def own_binds(world: World) -> None:
    elsewhere = sa.create_engine(world.app.url(world.app.servers.primary))
    taken = []
    sa.event.listen(elsewhere, "before_cursor_execute", lambda *_: taken.append("elsewhere"))
    try:
        with world.session() as session:
            session.execute(USERS, bind_arguments={"bind": elsewhere})
        assert taken, "bind_arguments were ignored"
        del taken[:]
        with world.session(binds={User: elsewhere}) as session:
            session.scalars(USERS).all()
        assert taken, "binds were ignored"
        del taken[:]
        with elsewhere.connect() as connection, world.session(bind=connection) as session:
            session.scalars(USERS).all()
        assert taken, "the connection that a session was bound to was ignored"
    finally:
        elsewhere.dispose()


def asynchronous(world: World) -> None:
    async def scenario() -> None:
        try:
            await reads_and_writes()
        finally:
            await world.opened.aclose()

    async def reads_and_writes() -> None:
        async with world.opened.async_session() as session:
            assert len((await session.scalars(USERS)).all()) == 1
            world.assert_from_replica()
            await session.rollback()
            session.add(User(id=2, name="Grace"))
            await session.flush()
            world.assert_on_primary("a flush")
            await session.commit()

    run(scenario)
    assert world.app.on_primary("SELECT count(*) FROM users") == [(2,)]


def contexts(world: World) -> None:
    world.needs("blocks")
    block = world.opened.on_primary
    assert block is not None

    def read() -> str:
        with world.session() as session:
            session.scalars(USERS).all()
        return world.where

    async def outlives() -> None:
        left = asyncio.Event()

        async def task() -> str:
            await left.wait()
            return read()

        with block():
            started = asyncio.create_task(task())
            await asyncio.sleep(0)
        left.set()
        assert await started in REPLICAS, "a task was still in a block that was left"

    async def rows() -> AsyncIterator[str]:
        yield read()
        yield read()

    async def within() -> AsyncIterator[str]:
        with block():
            yield read()
            yield read()

    async def suspended() -> None:
        wrapped = world.opened.on_primary_generator
        generator: Any = within() if wrapped is None else wrapped(rows)()
        assert await anext(generator) == "primary"
        beside = read()
        await generator.aclose()
        assert beside in REPLICAS, "a suspended generator kept its caller in its block"

    def elsewhere() -> None:
        found: list[str] = []

        def ask() -> None:
            session.scalars(USERS).all()
            found.append(world.where)

        with block():
            session = world.session()
            thread = threading.Thread(target=contextvars.Context().run, args=(ask,))
            thread.start()
            thread.join()
            session.close()
        assert found == ["primary"], "in a thread of a pool the session had left its block"

    run(outlives)
    run(suspended)
    elsewhere()


def stickiness(world: World) -> None:
    world.needs("blocks")
    assert world.opened.on_primary is not None
    with world.session() as one, world.session() as other:
        with world.opened.on_primary():
            one.add(User(id=2, name="Grace"))
            one.commit()
            one.get_one(User, 1)
            world.assert_on_primary("after a commit, a read within the block")
        other.get_one(User, 1)
        assert world.where in REPLICAS, "another session's reads stick to the primary too"
    with world.session() as one, world.session() as other:
        one.add(User(id=3, name="Edsger"))
        one.flush()
        other.get_one(User, 1)
        assert world.where in REPLICAS, "another session's reads stick to the primary too"


def idle(world: World) -> None:
    with world.session() as session:
        session.scalars(USERS).all()
        world.assert_from_replica()
        states = world.app.servers.standbys[world.where].execute(
            "SELECT state FROM pg_stat_activity WHERE datname = %s AND application_name <> 'erm routing'",
            world.app.dbname,
        )
        assert ("idle in transaction",) not in states, "a transaction is left open on the replica"


def demoted(peer: Peer, app: Application) -> None:
    with moving_address(app) as (address, move), world_of(peer, app, primary_url=address) as world:
        with world.session() as session:
            session.add(User(id=2, name="Grace"))
            try:
                session.commit()
            except sa.exc.DBAPIError:
                session.rollback()
        move()
        with world.session() as session:
            session.add(User(id=2, name="Grace"))
            session.commit()
    assert app.on_primary("SELECT count(*) FROM users") == [(2,)]


def lag(world: World) -> None:
    world.needs("lag")
    cluster = world.opened.erm
    limited = ReplicaReadOptions(max_lag=0.5)
    world.hold()
    world.app.on_primary("UPDATE users SET score = 100")
    late = lambda: all((replica.lag or 0) > 0.5 for replica in cluster.status().replicas.values())  # noqa: E731
    assert cluster.monitor.wait_for(lambda: late() or None, 30.0)
    with world.session() as session:
        assert session.scalar(sa.select(User.score), execution_options={"replica_read": limited}) == 100
        session.rollback()
        session.scalar(sa.select(User.score))
        world.assert_from_replica()


def tokens(world: World) -> None:
    world.needs("tokens")
    with world.session() as session:
        session.execute(sa.text("SET LOCAL synchronous_commit = off"))
        session.add(User(id=2, name="Grace"))
        session.commit()
        world.app.on_primary("SELECT pg_switch_wal()")
        token = session.causal_token
    world.opened.settle()
    with world.session() as session, causal(token):
        assert len(session.scalars(USERS).all()) == 2
        assert world.where in REPLICAS, "a replica that has everything does not reach the token"
    world.hold()
    with world.session() as session:
        session.add(User(id=3, name="Edsger"))
        session.commit()
        token = session.causal_token
    with world.session() as session, causal(token):
        assert len(session.scalars(USERS).all()) == 3


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))
