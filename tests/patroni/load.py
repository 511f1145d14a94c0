"""Workers that write and read through sessions which they keep all the time, whatever fails."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from erm_alembic.routing import Cluster, RoutingSession, causal, primary, replica_read
from tests.patroni.verdict import BOUNDED, BY_TOKEN, KINDS, OWN, UNBOUNDED, Round
from tests.support.load.crew import Crew
from tests.support.load.truth import Answer
from tests.support.load.windows import is_of_a_lost_server

__all__ = ["READERS", "TASKS", "WRITERS", "Base", "Counter", "Entry", "load"]

WRITERS, READERS, TASKS = 3, 2, 2
# In seconds: how stale a bounded read may be, how long a read by token may wait, and a worker rests.
MAX_LAG, MAX_WAIT, REST = 3.0, 0.2, 0.01


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


class _Worker:
    """One of them, with one session.

    Args:
        name: its name.
        round: what all of them know together.
    """

    def __init__(self, name: str, round: Round) -> None:
        self.name, self._round, self._truth = name, round, round.truth

    # What a session does, in a thread or handed over by a task.

    def write(self, writer: int, session: Session) -> None:
        """Write the writer's next number, and read it again."""
        value = self._truth.begin_write(writer)
        session.add(Entry(writer=writer, value=value))
        session.execute(sa.update(Counter).where(Counter.writer == writer).values(value=value))
        session.commit()
        self._truth.committed(writer, value)
        self._round.wrote()
        assert isinstance(session, RoutingSession)
        if (token := session.causal_token) is None:
            self._truth.accuse(f"{self.name}: a session that has committed gives no token")
        else:
            self._round.tokens.append((writer, value, token))
        self._saw(OWN, session, [replica_read()], writer, floor=value)

    def read(self, kind: str, session: Session) -> None:
        """Read in one of the ways."""
        if kind == BY_TOKEN:
            if not self._round.tokens:
                return
            writer, value, token = self._round.tokens[-1]
            self._saw(kind, session, [causal(token), replica_read(max_wait=MAX_WAIT)], writer, floor=value)
        elif kind == BOUNDED:
            writer = random.randrange(WRITERS)
            self._saw(kind, session, [replica_read(max_lag=MAX_LAG)], writer, max_age=MAX_LAG)
        else:
            self._saw(kind, session, [replica_read()], 0)

    def last_words(self, session: Session) -> None:
        """A session that has seen all of it still reads and writes, when all servers are back."""
        with primary():
            session.execute(sa.update(Counter).where(Counter.writer < 0).values(value=0))
            session.commit()
        self._saw(UNBOUNDED, session, [replica_read()], 0)

    def failed(self, what: str, error: Exception, began_at: float) -> None:
        """Judge an error: excused is one of a server that is lost, while something happens to the cluster."""
        event = self._round.windows.explain(began_at, time.monotonic()) if is_of_a_lost_server(error) else ""
        if event:
            self._truth.count(f"errors, {what}, {event}")
        else:
            self._truth.accuse(f"{self.name}, {what}: {type(error).__name__}: {error}"[:500])

    def is_broken(self, what: str, error: Exception) -> None:
        """Note an error that nothing excuses."""
        self._truth.accuse(f"{self.name}, {what}: {type(error).__name__}: {error}"[:500])

    def _saw(
        self,
        kind: str,
        session: Session,
        blocks: list[Any],
        writer: int,
        *,
        floor: int = 0,
        max_age: float | None = None,
    ) -> None:
        began_at = time.monotonic()
        with ExitStack() as stack:
            for block in blocks:
                stack.enter_context(block)
            value = session.execute(sa.select(Counter.value).where(Counter.writer == writer)).scalar_one()
        assert isinstance(session, RoutingSession)
        assert session.last_route is not None
        self._truth.judge(Answer(writer, value, began_at, session.last_route.name, kind, max_age, floor))
        self._round.read(kind)
        session.rollback()


def _in_thread(worker: _Worker, crew: Crew, cluster: Cluster, what: str, act: Callable[[Session], None]) -> None:
    with cluster.sessionmaker()() as session:
        while not crew.stopping.wait(REST):
            began_at = time.monotonic()
            try:
                act(session)
            except Exception as error:
                worker.failed(what, error, began_at)
                try:
                    session.rollback()
                except Exception as worse:
                    worker.is_broken(f"{what}, rollback", worse)
        try:
            worker.last_words(session)
        except Exception as error:
            worker.is_broken("at the end", error)


async def _in_task(worker: _Worker, crew: Crew, cluster: Cluster) -> None:
    async with cluster.async_sessionmaker()() as session:
        while not crew.stopping.is_set():
            await asyncio.sleep(REST)
            began_at = time.monotonic()
            try:
                await session.run_sync(partial(worker.read, BY_TOKEN))
            except Exception as error:
                worker.failed("asyncio", error, began_at)
                try:
                    await session.rollback()
                except Exception as worse:
                    worker.is_broken("asyncio, rollback", worse)
        try:
            await session.run_sync(worker.last_words)
        except Exception as error:
            worker.is_broken("asyncio, at the end", error)


@contextmanager
def load(cluster: Cluster, round: Round) -> Iterator[None]:
    """Let all workers run; when it ends, every session has said whether it still works.

    Args:
        cluster: what they read from and write to.
        round: what they know together.
    """
    crew = Crew(round.truth.accuse)
    for writer in range(WRITERS):
        worker = _Worker(f"writer {writer}", round)
        crew.thread(worker.name, partial(_in_thread, worker, crew, cluster, "writer", partial(worker.write, writer)))
    for kind in KINDS:
        for number in range(READERS):
            worker = _Worker(f"reader {kind} {number}", round)
            crew.thread(worker.name, partial(_in_thread, worker, crew, cluster, kind, partial(worker.read, kind)))
    tasks = {name: _Worker(name, round) for name in (f"task {number}" for number in range(TASKS))}
    crew.tasks({name: partial(_in_task, each, crew, cluster) for name, each in tasks.items()}, cluster.aclose)
    with crew:
        yield
