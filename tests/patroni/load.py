"""Workers that write and read through sessions which they keep all the time, whatever fails."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from erm_alembic.errors import NoReplicaAvailable, TargetError
from erm_alembic.routing import Cluster, RoutingSession, causal, primary, replica_read
from tests.patroni.truth import Truth

__all__ = ["Base", "Counter", "Entry", "load"]

WRITERS, READERS, TASKS = 3, 2, 2
# In seconds: how stale a bounded read may be, how long a read by token may wait, and a worker rests.
MAX_LAG, MAX_WAIT, REST = 3.0, 0.2, 0.01
# What a read or a write meets while servers are away; anything else says that a session is broken.
_AWAY = (exc.DBAPIError, exc.TimeoutError, OSError, NoReplicaAvailable, TargetError)


class Base(DeclarativeBase):
    """The models of the application."""


class Counter(Base):
    """The last number of a writer."""

    __tablename__ = "counters"
    writer: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int]


class Entry(Base):
    """Every number of a writer."""

    __tablename__ = "entries"
    writer: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(primary_key=True)


def _value_of(writer: int) -> sa.Select[tuple[int]]:
    return sa.select(Counter.value).where(Counter.writer == writer)


class _Workers:
    """The threads and tasks of a round."""

    def __init__(self, cluster: Cluster, truth: Truth) -> None:
        self._cluster, self._truth = cluster, truth
        self._stopping = threading.Event()
        kinds: list[tuple[Callable[..., None], object]] = [(self._write, writer) for writer in truth.writers]
        kinds += [(self._read, kind) for kind in (self._by_token, self._bounded, self._any_lag) for _ in range(READERS)]
        kinds += [(self._loop, None)]
        self._threads = [threading.Thread(target=work, args=(what,)) for work, what in kinds]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _write(self, writer: int) -> None:
        with self._cluster.sessionmaker()() as session:
            while not self._stopping.wait(REST):
                value = self._truth.attempt(writer)
                try:
                    session.add(Entry(writer=writer, value=value))
                    session.execute(sa.update(Counter).where(Counter.writer == writer).values(value=value))
                    session.commit()
                    self._truth.acknowledge(writer, value)
                    token = session.causal_token
                    if token is not None:
                        self._truth.publish(writer, value, token)
                    with replica_read():
                        seen = session.scalar(_value_of(writer))
                        self._saw(session, "own", writer, seen, value)
                except Exception as error:
                    self._failed("writer", session, error)
            self._last_words("writer", session)

    def _read(self, kind: Callable[[RoutingSession], None]) -> None:
        with self._cluster.sessionmaker()() as session:
            while not self._stopping.wait(REST):
                try:
                    kind(session)
                except Exception as error:
                    self._failed(kind.__name__.strip("_"), session, error)
            self._last_words(kind.__name__.strip("_"), session)

    def _by_token(self, session: RoutingSession) -> None:
        if (known := self._truth.latest()) is None:
            return
        writer, value, token = known
        with causal(token), replica_read(max_wait=MAX_WAIT):
            self._saw(session, "by token", writer, session.scalar(_value_of(writer)), value)

    def _bounded(self, session: RoutingSession) -> None:
        writer = time.monotonic_ns() % len(self._truth.writers)
        least = self._truth.written_before(writer, time.monotonic() - MAX_LAG)
        with replica_read(max_lag=MAX_LAG):
            self._saw(session, "bounded", writer, session.scalar(_value_of(writer)), least)

    def _any_lag(self, session: RoutingSession) -> None:
        with replica_read():
            self._saw(session, "any lag", 0, session.scalar(_value_of(0)), 0)

    def _saw(self, session: RoutingSession, kind: str, writer: int, seen: int | None, least: int) -> None:
        self._truth.check(kind, writer, seen, least, session.last_route)
        assert session.last_route is not None
        self._truth.went(session.last_route.is_replica)
        session.rollback()

    def _failed(self, kind: str, session: RoutingSession, error: Exception) -> None:
        self._truth.failed(kind, error, expected=isinstance(error, _AWAY))
        try:
            session.rollback()
        except Exception as worse:
            self._truth.failed(f"{kind}, rollback", worse, expected=False)

    def _last_words(self, kind: str, session: RoutingSession) -> None:
        """A session that has seen all of it still reads and writes, when all servers are back."""
        try:
            with primary():
                session.execute(sa.update(Counter).where(Counter.writer < 0).values(value=0))
                session.commit()
            with replica_read():
                session.scalar(_value_of(0))
            session.rollback()
        except Exception as error:
            self._truth.failed(f"{kind}, at the end", error, expected=False)

    # The same for asyncio.

    def _loop(self, _: None) -> None:
        async def tasks() -> None:
            await asyncio.gather(*(self._task() for _ in range(TASKS)))
            await self._cluster.aclose()

        asyncio.run(tasks())

    async def _task(self) -> None:
        async with self._cluster.async_sessionmaker()() as session:
            while not self._stopping.is_set():
                await asyncio.sleep(REST)
                if (known := self._truth.latest()) is None:
                    continue
                writer, value, token = known
                try:
                    with causal(token), replica_read(max_wait=MAX_WAIT):
                        seen = await session.scalar(_value_of(writer))
                    self._truth.check("by token, asyncio", writer, seen, value, session.last_route)
                    self._truth.went(session.last_route.is_replica)
                    await session.rollback()
                except Exception as error:
                    self._truth.failed("asyncio", error, expected=isinstance(error, _AWAY))
                    try:
                        await session.rollback()
                    except Exception as worse:
                        self._truth.failed("asyncio, rollback", worse, expected=False)
            try:
                await session.scalar(_value_of(0))
            except Exception as error:
                self._truth.failed("asyncio, at the end", error, expected=False)


@contextmanager
def load(cluster: Cluster, truth: Truth) -> Iterator[None]:
    """Let all workers run; when it ends, every session has said whether it still works.

    Args:
        cluster: what they read from and write to.
        truth: what they know together.
    """
    workers = _Workers(cluster, truth)
    workers.start()
    try:
        yield
    finally:
        workers.stop()
