"""An SQLAlchemy engine whose pool obeys the `pool` section of erm.yaml.

SQLAlchemy's own pool knows a greatest number of connections and a greatest age. The rest (connections kept open, closed
when idle, looked at regularly) is added from outside, through the pool's public events: a keeper knows every server
connection of the pool, and closes those that are not in use. The pool opens a new one where it meets a closed one.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
from sqlalchemy import create_engine, event, exc
from sqlalchemy.engine import Engine
from sqlalchemy.pool import ConnectionPoolEntry, Pool, QueuePool

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import PoolSettings
from erm_alembic.postgres.logins import connect_as_of_now, is_ending

__all__ = ["PoolKeeper", "keeper_of", "pooled_engine"]

Clock = Callable[[], float]

_log = logging.getLogger("erm_alembic.postgres")

# How long a server may take to answer on a connection that was idle, in seconds.
_ANSWER_PATIENCE = 5.0


def pooled_engine(
    url: DatabaseUrl,
    pool: PoolSettings,
    *,
    clock: Clock = time.monotonic,
    background: bool = True,
    address: Callable[[], DatabaseUrl] | None = None,
    **engine_kw: Any,
) -> Engine:
    """Make an engine on psycopg2 whose pool does what the settings say.

    Nothing is connected yet. The first connection starts a thread that, every `health_check_period`, closes what is
    too old, broken or idle for too long and keeps `min_conns` open; `engine.dispose()` stops it. A connection that was
    not used for that period is tried before it is handed out. A forked child opens connections of its own, and leaves
    its parent's alone. The password stands neither in `engine.url` nor in any repr.

    Args:
        url: the address of a running server, not an embedded one.
        pool: the settings in force.
        clock: seconds that only grow.
        background: False leaves the looking after to `keeper_of(engine).check()`.
        address: gives the address at each new connection, for a server that moves; None takes the one given here.
        engine_kw: anything else that `sqlalchemy.create_engine` takes, `connect_args` included; not the pool's size.

    Raises:
        ConfigurationError: the address is an embedded one.

    Example:
        >>> engine = pooled_engine(DatabaseUrl.parse("postgresql://app:hunter2@db/shop"), PoolSettings(max_conns=5))
        >>> engine.url, engine.pool.size()
        (postgresql+psycopg2://app@db/shop, 5)
    """
    if url.embedded_name is not None:
        url.dsn()  # which says what is wrong
    connect_args = engine_kw.pop("connect_args", {})
    shown = url.with_parameters(password="", sslpassword="").sqlalchemy_url("postgresql+psycopg2")
    engine = create_engine(
        shown,
        creator=lambda: connect_as_of_now(
            address() if address is not None else url, lambda opened: psycopg2.connect(opened.dsn(), **connect_args)
        ),
        poolclass=QueuePool,
        pool_size=pool.max_conns,
        max_overflow=0,
        # The last used first: what a quiet application does not need grows idle, and is closed.
        pool_use_lifo=True,
        **engine_kw,
    )
    keeper = PoolKeeper(engine, pool, clock, background=background)
    _keepers[engine] = keeper
    return engine


def keeper_of(engine: Engine) -> PoolKeeper:
    """The keeper of an engine that `pooled_engine` made.

    Raises:
        KeyError: somebody else made the engine.
    """
    return _keepers[engine]


@dataclass
class _Held:
    """One server connection of the pool, with the clock's readings that decide over it."""

    dbapi: Any
    opened_at: float
    used_at: float
    in_use: bool = True
    handed_out: bool = False


class PoolKeeper:
    """Looks after the connections of one engine's pool.

    Args:
        engine: the engine; only a weak reference is kept.
        settings: the settings in force.
        clock: seconds that only grow.
        background: whether a thread calls `check` every `health_check_period`.
    """

    def __init__(self, engine: Engine, settings: PoolSettings, clock: Clock, *, background: bool) -> None:
        self._engine = weakref.ref(engine)
        self._clock = clock
        self._background = background
        self._min_conns = settings.min_conns
        self._lifetime = settings.max_conn_lifetime.total_seconds()
        self._idle_time = settings.max_conn_idle_time.total_seconds()
        self._period = settings.health_check_period.total_seconds()
        self._lock = threading.RLock()
        self._held: dict[int, _Held] = {}
        self._taken_by_keeper: set[int] = set()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        event.listen(engine, "engine_disposed", self._disposed)
        self._listen(engine.pool)

    @property
    def open_connections(self) -> int:
        """The server connections of this process's pool, used and idle."""
        with self._lock:
            return sum(not held.dbapi.closed for held in self._held.values())

    @property
    def running(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def check(self, stopping: threading.Event | None = None) -> None:
        """Close what is too old, broken or too long idle, then open what is missing to `min_conns`.

        Args:
            stopping: set when no more is to be opened; None is the keeper's own.
        """
        stopping = stopping or self._stopping
        with self._lock:
            now = self._clock()
            for held in self._held.values():
                unused = not held.in_use and not held.dbapi.closed
                if unused and (self._is_old(held, now) or _was_spoken_to(held.dbapi)):
                    held.dbapi.close()
            still_open = [held for held in self._held.values() if not held.dbapi.closed]
            idle = sorted((held for held in still_open if not held.in_use), key=lambda held: held.used_at)
            spare = max(0, len(still_open) - self._min_conns)
            for held in idle[:spare]:
                if now - held.used_at > self._idle_time:
                    held.dbapi.close()
            missing = self._min_conns - sum(not held.dbapi.closed for held in self._held.values())
        if missing > 0:
            self._open_missing(stopping)

    def stop(self) -> None:
        """Have the thread end as soon as it can.

        It is not waited for: it may be waiting for a server that stands still, and those who replace a pool then must
        not hang with it.
        """
        self._stopping.set()
        # A connection that was just opened may be about to start it.
        with self._lock:
            self._thread = None

    def _begin(self) -> None:
        """Start from nothing in a forked child, where the lock may be held by a thread that is not there."""
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self._held = {}
        self._taken_by_keeper = set()
        self._stopping = threading.Event()
        self._thread = None

    def _listen(self, pool: Pool) -> None:
        event.listen(pool, "connect", self._connected)
        event.listen(pool, "checkout", self._checked_out)
        event.listen(pool, "checkin", self._checked_in)
        event.listen(pool, "close", self._closed)
        event.listen(pool, "detach", self._closed)

    def _connected(self, dbapi: Any, entry: ConnectionPoolEntry) -> None:
        now = self._clock()
        with self._lock:
            self._held[id(dbapi)] = _Held(dbapi, now, now)
        self._start()

    def _checked_out(self, dbapi: Any, entry: ConnectionPoolEntry, fairy: Any) -> None:
        """Hand out only what is fit for use; the pool opens another one where this raises.

        Raises:
            DisconnectionError: the connection is its parent process's, closed, too old or broken.
        """
        with self._lock:
            held = self._held.get(id(dbapi))
            if held is None:
                # Closing it would end the parent's session: it is forgotten, as SQLAlchemy's guide to forking has it.
                entry.dbapi_connection = fairy.dbapi_connection = None  # type: ignore[misc]  # a property
                raise exc.DisconnectionError("The connection belongs to the parent process.")
            now = self._clock()
            if dbapi.closed or self._is_old(held, now):
                raise exc.DisconnectionError("The connection is closed or too old.")
            held.in_use = held.handed_out = True
            untried = now - held.used_at > self._period
        # Outside the lock: on a dead network the answer takes its time, and others must not wait for it.
        if untried and not _answers(dbapi):
            raise exc.DisconnectionError("The server closed the connection.")

    def _checked_in(self, dbapi: Any, entry: ConnectionPoolEntry) -> None:
        with self._lock:
            held = self._held.get(id(dbapi)) if dbapi is not None else None
            if held is not None:
                held.in_use = False
                if id(dbapi) not in self._taken_by_keeper:
                    held.used_at = self._clock()

    def _closed(self, dbapi: Any, entry: ConnectionPoolEntry) -> None:
        with self._lock:
            self._held.pop(id(dbapi), None)

    def _is_old(self, held: _Held, now: float) -> bool:
        return now - held.opened_at > self._lifetime or is_ending(held.dbapi)

    def _open_missing(self, stopping: threading.Event) -> None:
        """Take connections until enough are open, and give them back; the pool opens those that it lacks."""
        engine = self._engine()
        if engine is None:
            return
        taken, known = [], self._taken_by_keeper
        try:
            while self.open_connections < self._min_conns and not stopping.is_set():
                connection = engine.pool.connect()
                taken.append(connection)
                if stopping.is_set():  # the pool was replaced meanwhile: nobody would close it
                    connection.invalidate()
                    return
                known.add(id(connection.dbapi_connection))
        except (exc.SQLAlchemyError, psycopg2.Error):
            # The server is away, or the application holds every connection: the next check tries again.
            pass
        finally:
            for connection in taken:
                connection.close()
            known.clear()

    def _start(self) -> None:
        if not self._background or self._thread is not None or _is_of_a_pool_that_was_replaced():
            return
        with self._lock:
            if self._thread is not None or self._stopping.is_set():
                return
            thread = threading.Thread(
                target=_look_after,
                args=(weakref.ref(self), self._stopping, self._period),
                name="erm-pool-keeper",
                daemon=True,
            )
            thread.start()
            self._thread = thread

    def _disposed(self, engine: Engine) -> None:
        """Stop, and be ready for the pool that the engine made anew."""
        self.stop()
        with self._lock:
            # Who opens one at this moment is about to get it.
            opening = {key: held for key, held in self._held.items() if not held.handed_out}
            self._forget()
            self._held = opening


def _look_after(keeper: weakref.ref[PoolKeeper], stopping: threading.Event, period: float) -> None:
    """The thread's loop: it ends with `stop`, or when nobody holds the engine any more."""
    _here.stopping = stopping
    while True:
        alive = keeper()
        if alive is None or stopping.is_set():
            return
        try:
            alive.check(stopping)
        except Exception as error:  # whatever a provider of addresses raises, and it may hold a secret
            _log.warning("the idle connections could not be looked after: %s", type(error).__name__)
        del alive
        if stopping.wait(period):
            return


def _is_of_a_pool_that_was_replaced() -> bool:
    """Whether this is a keeper's thread on its way to its end: what it still opens wants no thread of its own."""
    stopping = getattr(_here, "stopping", None)
    return stopping is not None and stopping.is_set()


# Of a keeper's thread what tells it to end.
_here = threading.local()


def _answers(dbapi: Any) -> bool:
    """Whether the server still answers on a connection that was idle, and within a bounded time.

    psycopg2 waits for an answer however long it takes, and a server that stands still never gives one: the socket is
    shut down under it then.
    """
    cut = threading.Event()

    def cut_off() -> None:
        cut.set()
        with suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    try:
        with closing(socket.fromfd(dbapi.fileno(), socket.AF_INET, socket.SOCK_STREAM)) as handle:
            overdue = threading.Timer(_ANSWER_PATIENCE, cut_off)
            overdue.daemon = True
            overdue.start()
            try:
                with dbapi.cursor() as cursor:
                    cursor.execute("SELECT 1")
                if not dbapi.autocommit:
                    dbapi.rollback()
            finally:
                overdue.cancel()
                overdue.join()  # it may be about to cut
    except (psycopg2.Error, OSError):
        return False
    return not cut.is_set()


def _was_spoken_to(dbapi: Any) -> bool:
    """Whether bytes wait on an idle connection: its end, or what nobody asked for. Sends nothing, never waits."""
    try:
        if hasattr(select, "poll"):
            poller = select.poll()
            poller.register(dbapi.fileno(), select.POLLIN)
            return bool(poller.poll(0))
        return bool(select.select([dbapi.fileno()], [], [], 0)[0])
    except (OSError, ValueError, psycopg2.Error):
        return True


def _begin_in_child() -> None:
    """A child has neither the thread, nor perhaps a free lock."""
    for keeper in list(_keepers.values()):
        keeper._begin()


_keepers: weakref.WeakKeyDictionary[Engine, PoolKeeper] = weakref.WeakKeyDictionary()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
