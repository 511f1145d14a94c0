"""Whoever waits on a connection that leads nowhere any more is let go."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import psycopg
import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import PoolSettings
from erm_alembic.postgres.engine import keeper_of
from erm_alembic.routing.connections.connecting import connect_by_host, connect_timeout, with_connect_timeout
from erm_alembic.routing.connections.nodes import PrimaryNode, ReplicaNode
from erm_alembic.routing.connections.open_connections import OpenConnections
from erm_alembic.routing.connections.reactions import Reactions
from erm_alembic.routing.deciding.classify import Classifier
from erm_alembic.routing.failures import worth_another_server
from erm_alembic.routing.options import ReplicaConfig
from erm_alembic.routing.sessions.session import RoutingSession
from erm_alembic.routing.watching.changes import Change
from erm_alembic.routing.watching.state import ClusterState, ReplicaState
from tests.routing.applications import ASYNCHRONOUS, SYNCHRONOUS, User, application
from tests.routing.servers import EAST, PATIENCE, Servers, frozen, until

SLOW = sa.text("SELECT pg_sleep(60)")
USERS = sa.select(User)
QUICK = sa.text("SELECT 1")


@pytest.fixture
def newest_servers(newest_servers: Servers) -> Iterator[Servers]:
    """The servers, one of which goes on with what nobody waits for any more: its snapshot would hold up the replay."""
    yield newest_servers
    newest_servers.east.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    )


def node_of(servers: Servers, driver: str) -> ReplicaNode:
    """The standby `east` as an application uses it."""
    with application(servers, driver) as app:
        url = app.url(servers.east)
    servers.catch_up()
    return ReplicaNode(ReplicaConfig(EAST, url), url, PoolSettings(), {}, Classifier())


def in_thread(node: ReplicaNode, found: list[BaseException]) -> threading.Thread:
    """Wait for a server that does not answer, on a thread that has a connection when it is handed out."""

    def read() -> None:
        with node.reading_engine(snapshot=False).connect() as connection:
            try:
                connection.execute(SLOW)
            except sa.exc.DBAPIError as error:
                found.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    until(lambda: node.in_use(False) == 1)
    return thread


@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_a_read_of_a_server_that_stands_still_can_be_ended(driver: str, newest_servers: Servers) -> None:
    """Its reader gets an error that lets it ask elsewhere; the pool is as good as before."""
    node, found = node_of(newest_servers, driver), []
    try:
        with node.reading_engine(snapshot=False).connect() as spared:
            spared.execute(QUICK)
        thread = in_thread(node, found)
        with frozen(newest_servers.east):
            assert node.open_connections.terminate(opened_before=0.0) == 0
            assert node.open_connections.terminate() == 1
            thread.join(PATIENCE)
        assert len(found) == 1 and worth_another_server(found[0]), found  # type: ignore[arg-type]
        with node.reading_engine(snapshot=False).connect() as connection:
            assert connection.scalar(QUICK) == 1
        assert node.in_use(False) == 0
    finally:
        node.renew(close=True)


@pytest.mark.parametrize(("driver", "options"), [("psycopg2", {}), ("psycopg", {"pool_pre_ping": True})])
def test_whoever_tries_a_connection_that_was_idle_can_be_let_go(
    driver: str, options: dict[str, Any], newest_servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool tries it before anybody has it, and a server that stands still answers that as little."""
    with application(newest_servers, driver) as app:
        url = app.url(newest_servers.east)
    newest_servers.catch_up()
    node = ReplicaNode(ReplicaConfig(EAST, url), url, PoolSettings(), options, Classifier())
    engine, tried, found = node.reading_engine(snapshot=False), threading.Event(), []
    try:
        with engine.connect() as connection:
            connection.execute(QUICK)
        if driver == "psycopg2":
            keeper_of(node.engine())._period = 0.0
            event.listen(node.engine(), "checkout", lambda *_: tried.set(), insert=True)
        else:
            ping = node.engine().dialect.do_ping
            monkeypatch.setattr(node.engine().dialect, "do_ping", lambda connection: (tried.set(), ping(connection))[1])

        def read() -> None:
            try:
                engine.connect().close()
            except sa.exc.DBAPIError as error:
                found.append(error)

        def refuse(*_: object, **__: object) -> None:
            raise node.engine().dialect.dbapi.OperationalError("nobody answers")  # type: ignore[union-attr]

        monkeypatch.setattr(f"{driver}.connect", refuse)
        with frozen(newest_servers.east):
            thread = threading.Thread(target=read, daemon=True)
            thread.start()
            assert tried.wait(PATIENCE)
            assert node.open_connections.terminate() == 1
            thread.join(PATIENCE)
            assert len(found) == 1 and worth_another_server(found[0]), found  # type: ignore[arg-type]
        monkeypatch.undo()
        with engine.connect() as connection:
            assert connection.scalar(QUICK) == 1
        assert node.in_use(False) == 0
    finally:
        node.renew(close=True)


@pytest.mark.parametrize("driver", ASYNCHRONOUS)
def test_a_task_that_reads_from_a_server_that_stands_still_can_be_ended(driver: str, newest_servers: Servers) -> None:
    """From another thread than the loop's, as the monitor does it."""
    node = node_of(newest_servers, driver)

    async def read() -> None:
        from sqlalchemy.ext.asyncio import AsyncEngine

        engine = AsyncEngine(node.engine(True).execution_options(erm_asked_for_by_hand=True))
        async with engine.connect() as connection:
            task = asyncio.ensure_future(connection.execute(SLOW))
            await asyncio.sleep(0)
            with frozen(newest_servers.east):
                assert await asyncio.to_thread(node.open_connections.terminate) == 1
                with pytest.raises(sa.exc.DBAPIError) as ended:
                    await asyncio.wait_for(task, PATIENCE)
        assert worth_another_server(ended.value)
        async with engine.connect() as connection:
            assert await connection.scalar(QUICK) == 1
        await node.aclose()

    asyncio.run(read())


@pytest.mark.parametrize("driver", ["psycopg2", "asyncpg"])
def test_whoever_makes_a_connection_ready_can_be_let_go_too(driver: str, newest_servers: Servers) -> None:
    """Before anybody has it, it is asked this and that, by the driver and by SQLAlchemy."""
    url = DatabaseUrl.parse(newest_servers.east.url()).sqlalchemy_url(f"postgresql+{driver}")
    connections, terminated = OpenConnections(), []

    def terminate(_connection: Any, _entry: Any) -> None:
        terminated.append(connections.terminate())

    async def connect() -> None:
        engine = create_async_engine(url)
        watch(engine.sync_engine)
        async with engine.connect():
            pass

    def watch(engine: sa.Engine) -> None:
        event.listen(engine, "connect", terminate, insert=True)
        connections.watch(engine)

    with pytest.raises(Exception) as ended:
        if driver == "asyncpg":
            asyncio.run(connect())
        else:
            engine = sa.create_engine(url)
            watch(engine)
            engine.connect()
    assert terminated == [1] and worth_another_server(ended.value)


def test_a_connection_in_use_is_closed_when_it_comes_back_to_a_pool_that_was_replaced(newest_servers: Servers) -> None:
    """Also one of asyncio's, which nothing else would close; the idle ones are closed at once."""
    node = node_of(newest_servers, "asyncpg")
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app_asyncpg'"

    async def leave() -> None:
        from sqlalchemy.ext.asyncio import AsyncEngine

        engine = AsyncEngine(node.engine(True).execution_options(erm_asked_for_by_hand=True))
        async with engine.connect() as used:
            async with engine.connect() as idle:
                await idle.execute(QUICK)
            await used.execute(QUICK)
            await asyncio.to_thread(node.renew, close=True)
            while newest_servers.east.execute(count) != [(1,)]:
                await asyncio.sleep(0.01)
            await used.execute(QUICK)
        while newest_servers.east.execute(count) != [(0,)]:
            await asyncio.sleep(0.01)
        await node.aclose()

    asyncio.run(asyncio.wait_for(leave(), PATIENCE))


class _Told:
    """A node that only counts what it is told to do."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.terminated: list[float] = []
        self.renewed = 0
        self.calls: list[str] = []
        self.open_connections = self

    def terminate(
        self, *, opened_before: float = float("inf"), taken_before: float = float("inf"), only_reads: bool = False
    ) -> int:
        if only_reads:
            return 0
        self.terminated.append(min(opened_before, taken_before))
        self.calls.append("terminate")
        return 1

    def renew(self, *, close: bool) -> None:
        self.renewed += 1
        self.calls.append("renew")


@contextmanager
def reactions(primary: Any, replica: Any, known: ReplicaState) -> Iterator[Reactions]:
    """Those of two nodes, with hardly any patience."""
    made = Reactions(primary, lambda: ((replica,), ClusterState(replicas={EAST: known})), 0.01)
    yield made
    made.stop()
    assert not [
        thread for thread in threading.enumerate() if "patience" in thread.name and not thread.finished.is_set()
    ]  # type: ignore[attr-defined] # a timer


def test_reads_are_let_go_while_a_replica_does_not_answer() -> None:
    """Again and again, for those that were on their way; not once it answers."""
    primary, replica = _Told("primary"), _Told(EAST)
    with reactions(primary, replica, ReplicaState(EAST)) as made:
        made.noticed(Change(EAST, "reachable", True, 1.0))
        assert not replica.terminated
        made.noticed(Change(EAST, "reachable", False, 1.0))
        until(lambda: len(replica.terminated) > 1)
        made.noticed(Change(EAST, "reachable", True, 2.0))
    with reactions(primary, replica, ReplicaState(EAST, reachable=True)) as made:
        before = len(replica.terminated)
        made.noticed(Change(EAST, "reachable", False, 1.0))
        until(lambda: not any("patience" in thread.name for thread in threading.enumerate()))
        assert len(replica.terminated) == before
    assert not primary.renewed


@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_reads_of_a_primary_that_stands_still_are_ended(driver: str, newest_servers: Servers) -> None:
    """Once it has not answered the monitor for so long: they get an error. Who may have written goes on waiting, and is
    answered when the server goes on."""
    failed: dict[str, BaseException | None] = {}

    def send(who: str, session: RoutingSession, statement: Any) -> None:
        try:
            session.execute(statement).all()
            failed[who] = None
        except sa.exc.DBAPIError as error:
            failed[who] = error

    with application(newest_servers, driver) as app, app.cluster() as cluster:
        reader, writer = cluster.sessionmaker()(), cluster.sessionmaker()()
        reader.scalars(USERS).all()
        writer.execute(sa.update(User).values(score=5))
        threads = [
            threading.Thread(target=send, args=("reader", reader, USERS), daemon=True),
            threading.Thread(target=send, args=("writer", writer, USERS), daemon=True),
        ]
        with frozen(newest_servers.primary):
            for thread in threads:
                thread.start()
            threads[0].join(PATIENCE)
            assert worth_another_server(failed["reader"])  # type: ignore[arg-type]
            assert "writer" not in failed
        threads[1].join(PATIENCE)
        assert failed["writer"] is None
        writer.commit()
        reader.rollback()
        assert set(reader.scalars(sa.select(User.score))) == {5}
        for session in (reader, writer):
            session.close()


def test_another_primary_lets_go_of_what_leads_to_the_former_one() -> None:
    """At once of what was opened while that one still answered, later of what somebody took before the change and has
    not given back; a primary that can be written again takes nothing away."""
    primary, replica = _Told("primary"), _Told(EAST)
    with reactions(primary, replica, ReplicaState(EAST)) as made:
        made.noticed(Change(None, "timeline", 2, 10.0, former_seen_at=9.0))
        made.noticed(Change(None, "writable", False, 11.0, former_seen_at=10.0))
        made.noticed(Change(None, "writable", True, 12.0, former_seen_at=11.0))
        made.noticed(Change(None, "reachable", False, 13.0))
        made.noticed(Change(EAST, "timeline", 2, 14.0, former_seen_at=13.0))
        until(lambda: 11.0 in primary.terminated)
    assert (sorted({*primary.terminated, 10.0}), primary.renewed) == ([9.0, 10.0, 11.0], 3)
    assert not replica.terminated
    # Whoever hangs is let go first, and nobody who took another one of the old pool is forgotten.
    assert primary.calls[:3] == ["terminate", "renew", "terminate"]


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections, and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_host_that_does_not_answer_leaves_time_for_the_next_one(newest_servers: Servers) -> None:
    """On asyncpg, whose own bound is one for all hosts; the user's keywords reach it."""
    place = str(newest_servers.primary.socket_dir)

    async def connect(port: int) -> None:
        connect = connect_by_host(0.2)
        keywords = {"user": "postgres", "database": "postgres", "target_session_attrs": "read-write"}
        standby = str(newest_servers.east.socket_dir)
        hosts = {"host": ["127.0.0.1", "/nowhere", standby, place], "port": [port, 5432, 5432, 5432]}
        connection = await connect(**keywords, **hosts)
        assert await connection.fetchval("SELECT pg_is_in_recovery()") is False
        await connection.close()
        with pytest.raises(TimeoutError):
            await connect(**keywords, host="127.0.0.1", port=port)
        with pytest.raises(OSError):
            await connect(**keywords, host=["/nowhere", "/nowhere"], port=[5432, 5432])

    with silent_port() as port:
        asyncio.run(connect(port))


def test_drivers_are_told_how_long_a_server_may_take_to_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five seconds where neither the address nor the environment says otherwise; libpq would wait for good."""
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    url = DatabaseUrl.parse("postgresql://db/shop")
    assert (with_connect_timeout(url).dsn(), connect_timeout(url)) == ("postgresql://db/shop?connect_timeout=5", 5)
    assert connect_timeout(DatabaseUrl.parse("postgresql://db/shop?connect_timeout=0")) is None
    asked: list[str] = []

    def connect(dsn: str, **_: object) -> None:
        asked.append(dsn)
        raise psycopg2.OperationalError

    monkeypatch.setattr("psycopg2.connect", connect)
    with pytest.raises(sa.exc.OperationalError):
        PrimaryNode("postgresql://db/shop?connect_timeout=2", PoolSettings(), {}).engine().connect()
    assert asked == ["postgresql://db/shop?connect_timeout=2"]
    psycopg = PrimaryNode("postgresql+psycopg://db/shop", PoolSettings(), {})
    assert psycopg.engine().url.query["connect_timeout"] == "5"
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "7")
    assert (with_connect_timeout(url), connect_timeout(url)) == (url, 7)


def test_what_a_driver_says_itself_is_understood_too() -> None:
    """A server that is starting, as asyncpg tells it, and a connection that was lost, as libpq does."""
    assert worth_another_server(asyncpg.CannotConnectNowError("the database system is starting up"))
    assert worth_another_server(psycopg2.OperationalError("server closed the connection unexpectedly"))
    assert worth_another_server(psycopg.OperationalError("server closed the connection unexpectedly"))
    assert not worth_another_server(asyncpg.UndefinedTableError("no such table"))
    assert not worth_another_server(psycopg2.ProgrammingError("no results"))
    assert not worth_another_server(ValueError("nothing to do with servers"))


def test_a_closed_connection_leaves_no_socket_behind(newest_servers: Servers) -> None:
    """The second number of the socket goes with the first."""
    node = node_of(newest_servers, "psycopg2")
    with node.engine().connect():
        assert len(node.open_connections._all()) == 1
    node.renew(close=True)
    gc.collect()
    assert node.open_connections._all() == []
