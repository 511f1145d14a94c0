"""The pool of an engine does what the pool section says, on a real server."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg2
import pytest
from sqlalchemy import Engine, create_engine, event, exc, text

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import PoolSettings
from erm_alembic.postgres.engine import PoolKeeper, keeper_of, pooled_engine
from tests.support.databases import Database

MakeEngine = Callable[..., Engine]


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the engine under test."""
    return Clock()


@pytest.fixture
def engine_of(one_database: Database, clock: Clock) -> Iterator[MakeEngine]:
    """Makes engines of the test's database, looked after only when the test says so."""
    made: list[Engine] = []

    def make(background: bool = False, **pool: object) -> Engine:
        url = DatabaseUrl.parse(one_database.url).with_parameters(application_name="pooled")
        settings = PoolSettings(**pool)  # type: ignore[arg-type]
        made.append(pooled_engine(url, settings, clock=clock, background=background, pool_timeout=0.2))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def pid(engine: Engine) -> int:
    """The server process of the connection that the pool hands out next."""
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT pg_backend_pid()")))


def in_server(database: Database) -> set[int]:
    """The server's processes of the pool."""
    rows = database.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pooled' AND datname = current_database()"
    )
    return {row[0] for row in rows}


def hold(engine: Engine, count: int) -> None:
    """Use connections at the same time, and give them all back."""
    connections = [engine.connect() for _ in range(count)]
    for connection in connections:
        connection.close()


def gone(database: Database, *pids: int) -> bool:
    """Whether the server's processes have ended; the end of a closed connection is waited for in the server."""
    deadline = "clock_timestamp() + interval '10 s'"
    statement = f"""
        DO $$ DECLARE until timestamptz := {deadline}; BEGIN
          WHILE EXISTS (SELECT FROM pg_stat_activity WHERE pid = ANY ('{{{",".join(map(str, pids))}}}'::int[]))
                AND clock_timestamp() < until LOOP
            PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot();
          END LOOP;
        END $$"""
    database.execute(statement)
    return not in_server(database) & set(pids)


def test_never_more_than_max_conns(engine_of: MakeEngine, one_database: Database) -> None:
    """The connection after the last one is refused, and the server never sees it."""
    engine = engine_of(max_conns=2)
    with engine.connect(), engine.connect():
        with pytest.raises(exc.TimeoutError):
            engine.connect()
        assert len(in_server(one_database)) == 2


def test_min_conns_are_kept_open(engine_of: MakeEngine, one_database: Database) -> None:
    """A check opens what is missing to min_conns, and idleness does not close below it."""
    engine = engine_of(min_conns=3, max_conns=5, max_conn_idle_time=timedelta(seconds=10))
    assert in_server(one_database) == set()
    keeper_of(engine).check()
    opened = in_server(one_database)
    assert len(opened) == 3


def test_idle_connections_are_closed_down_to_min_conns(
    engine_of: MakeEngine, one_database: Database, clock: Clock
) -> None:
    """After max_conn_idle_time the unused ones are closed, those of min_conns excepted."""
    engine = engine_of(min_conns=2, max_conns=5, max_conn_idle_time=timedelta(seconds=10))
    hold(engine, 5)
    before = in_server(one_database)
    clock.now += 10
    keeper_of(engine).check()
    assert in_server(one_database) == before
    clock.now += 0.001
    keeper_of(engine).check()
    assert keeper_of(engine).open_connections == 2
    assert pid(engine) in before


def test_an_old_connection_is_replaced_when_it_is_asked_for(
    engine_of: MakeEngine, one_database: Database, clock: Clock
) -> None:
    """A connection older than max_conn_lifetime is not handed out again."""
    engine = engine_of(max_conn_lifetime=timedelta(seconds=60))
    first = pid(engine)
    clock.now += 60
    assert pid(engine) == first
    clock.now += 0.001
    assert pid(engine) != first
    assert gone(one_database, first)


def test_an_old_idle_connection_is_closed_by_the_check(
    engine_of: MakeEngine, one_database: Database, clock: Clock
) -> None:
    """Nobody needs to ask: the check closes what is too old, and opens min_conns anew."""
    engine = engine_of(min_conns=1, max_conn_lifetime=timedelta(seconds=60), max_conn_idle_time=timedelta(days=1))
    first = pid(engine)
    clock.now += 61
    keeper_of(engine).check()
    assert gone(one_database, first)
    assert len(in_server(one_database)) == 1


def test_a_connection_that_the_server_closed_is_replaced(
    engine_of: MakeEngine, one_database: Database, clock: Clock
) -> None:
    """After health_check_period without use a connection is tried before it is handed out."""
    engine = engine_of(health_check_period=timedelta(seconds=30))
    first = pid(engine)
    one_database.execute("SELECT pg_terminate_backend(%s, 5000)", first)
    clock.now += 31
    assert pid(engine) != first


def test_a_connection_whose_server_stands_still_is_replaced(
    engine_of: MakeEngine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for longer than a while, and its reader gets another one."""
    monkeypatch.setattr("erm_alembic.postgres.engine._ANSWER_PATIENCE", 0.05)
    engine = engine_of(health_check_period=timedelta(seconds=30))
    first = pid(engine)
    os.kill(first, signal.SIGSTOP)
    # So that a wait without end fails, and does not hang.
    lets_go = threading.Timer(30, os.kill, [first, signal.SIGCONT])
    lets_go.start()
    try:
        clock.now += 31
        assert pid(engine) != first
    finally:
        lets_go.cancel()
        os.kill(first, signal.SIGCONT)


def test_the_check_finds_a_connection_that_the_server_closed(engine_of: MakeEngine, one_database: Database) -> None:
    """The check sees the end of an idle connection without asking the server, and opens min_conns anew."""
    engine = engine_of(min_conns=1)
    first = pid(engine)
    one_database.execute("SELECT pg_terminate_backend(%s, 5000)", first)
    keeper_of(engine).check()
    (second,) = in_server(one_database)
    assert second != first


def test_the_thread_starts_with_the_first_connection_and_stops_with_dispose(engine_of: MakeEngine) -> None:
    """Making an engine starts nothing; dispose leaves no thread; the engine can be used again."""
    engine = engine_of(background=True, health_check_period=timedelta(milliseconds=5))
    keeper = keeper_of(engine)
    assert not keeper.running
    pid(engine)
    assert keeper.running
    engine.dispose()
    assert (keeper.running, keeper.open_connections) == (False, 0)
    pid(engine)
    assert keeper.running


def test_an_engine_is_disposed_of_while_its_thread_starts(
    engine_of: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever replaces a pool does not know what others do with it; afterwards it is looked after as before."""
    engine = engine_of(background=True)
    failed: list[BaseException] = []
    disposing: list[threading.Thread] = []

    def dispose() -> None:
        try:
            engine.dispose()
        except BaseException as error:
            failed.append(error)

    class Slow(threading.Thread):
        def start(self) -> None:
            disposing.append(Thread(target=dispose))
            disposing[0].start()
            # It may be over by now, or wait for this.
            disposing[0].join(0.1)
            super().start()

    Thread = threading.Thread
    monkeypatch.setattr("erm_alembic.postgres.engine.threading.Thread", Slow)
    pid(engine)
    monkeypatch.undo()
    disposing[0].join()
    assert not failed
    assert not keeper_of(engine).running
    pid(engine)
    assert keeper_of(engine).running


def test_an_engine_is_disposed_of_while_its_thread_waits_for_a_server(
    engine_of: MakeEngine, one_database: Database
) -> None:
    """Whoever replaces the pool does not wait with it, and what the thread has opened by then is closed again."""
    waiting: list[threading.Thread] = []
    asked, answered = threading.Event(), threading.Event()
    engine = engine_of(background=True, min_conns=2)

    def hang(*_: object) -> None:
        if threading.current_thread().name == "erm-pool-keeper":
            waiting.append(threading.current_thread())
            asked.set()
            answered.wait(30)

    event.listen(engine, "checkout", hang)
    engine.pool.connect().close()
    assert asked.wait(30)
    opened = in_server(one_database)
    disposing = threading.Thread(target=engine.dispose)
    disposing.start()
    disposing.join(5)
    hung = disposing.is_alive()
    answered.set()
    disposing.join()
    waiting[0].join(30)
    assert not hung
    assert not waiting[0].is_alive()
    assert (len(waiting), keeper_of(engine).running) == (1, False)
    assert gone(one_database, *opened) and not in_server(one_database)


def test_a_check_that_fails_is_not_the_last_one(engine_of: MakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a provider of addresses raises: the thread looks again."""
    checks: list[int] = []
    again = threading.Event()

    def fail(*_: object) -> None:
        checks.append(1)
        if len(checks) > 1:
            again.set()
        raise LookupError("no secret today")

    monkeypatch.setattr(PoolKeeper, "check", fail)
    pid(engine_of(background=True, health_check_period=timedelta(milliseconds=5)))
    assert again.wait(30)


def test_a_forked_child_leaves_its_parents_connections_alone(engine_of: MakeEngine) -> None:
    """The child works on a connection of its own, and the parent's lives on after the child's end."""
    engine = engine_of(background=True)
    mine = pid(engine)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(pid(engine)).encode())
            engine.dispose()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        theirs = int(answer.read())
    os.waitpid(child, 0)
    assert theirs != mine
    assert pid(engine) == mine


def test_the_password_stands_in_no_repr_of_the_engine(secret: str) -> None:
    """Neither the engine's URL, rendered in full, nor its repr holds the password."""
    url = DatabaseUrl.parse(f"postgresql://app:{secret}@db/shop?sslpassword={secret}")
    engine = pooled_engine(url, PoolSettings())
    shown = f"{engine!r} {engine.url.render_as_string(hide_password=False)} {engine.pool!r} {vars(engine.pool)}"
    assert secret not in shown
    assert engine.url.database == "shop"


def test_connect_args_reach_the_driver(one_database: Database) -> None:
    """What is given as connect_args is given to psycopg2."""
    url = DatabaseUrl.parse(one_database.url)
    engine = pooled_engine(url, PoolSettings(), connect_args={"application_name": "mine"})
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW application_name")) == "mine"
    engine.dispose()


def test_an_engine_of_somebody_else_has_no_keeper() -> None:
    """Only the engines made here are looked after."""
    with pytest.raises(KeyError):
        keeper_of(create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect("")))
