"""The load of a run: what each worker does by its seed, in a thread or in a task, with one session for long."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from erm_alembic.errors import NoReplicaAvailable, StaleReplicaWrite, TargetError, WritePrevented
from erm_alembic.routing import Cluster, RoutingSession, causal, primary, replica_policy, replica_read
from erm_alembic.routing.failures import sqlstate_of, worth_another_server
from erm_alembic.routing.tokens import read_token
from tests.chaos.faults import Disturbances
from tests.chaos.truth import Answer, Truth

__all__ = ["KEYS_EACH", "SHARED", "Base", "Plan", "SharedFacts", "Worker", "do", "work_in_task", "work_in_thread"]

KEYS_EACH = 2
SHARED = 4
_AGES = (0.5, 1.0, 3.0)
_BYTES = 65536
# What was idle in a pool may be found to be lost once; more often only what is broken fails.
_LAST_TRIES = 3


class Base(DeclarativeBase):
    """The tables of the load."""


class CounterRow(Base):
    """The last number that the key's writer has written."""

    __tablename__ = "counters"
    key: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


class Entry(Base):
    """Every number that was ever written."""

    __tablename__ = "entries"
    key: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)


class Shared(Base):
    """What all workers count up by reading and writing."""

    __tablename__ = "shared"
    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


@dataclass
class SharedFacts:
    """What the workers hand to each other.

    Args:
        truth: what they write.
        disturbances: when the primary was disturbed.
        keys: how many keys there are.
    """

    truth: Truth
    disturbances: Disturbances
    keys: int
    stopping: threading.Event = field(default_factory=threading.Event)
    # Tokens with what was committed before they were had.
    tokens: deque[tuple[str, Mapping[int, int]]] = field(default_factory=lambda: deque(maxlen=50))
    added: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """One thing to do.

    Args:
        name: what it is, for counts and reports.
        blocks: the blocks around it.
        run: does it with a session.
        refusable: whether `NoReplicaAvailable` is an answer.
        wants_token: whether a token of its commit is passed on.
        losable: whether a replica that is lost is an answer: nobody else has its snapshot.
    """

    name: str
    blocks: tuple[Any, ...]
    run: Callable[[Session], None]
    refusable: bool = False
    wants_token: bool = False
    losable: bool = False


class Worker:
    """One of those who load the servers.

    Args:
        name: its name.
        number: which one it is; the keys that it writes follow from that.
        seed: of the run.
        cluster: whose sessions it uses.
        facts: what it shares with the others.
    """

    def __init__(self, name: str, number: int, seed: int, cluster: Cluster, facts: SharedFacts) -> None:
        self.name, self.cluster, self.facts = name, cluster, facts
        self.truth = facts.truth
        self.chance = random.Random(f"{seed}-{name}")
        self.begun = 0
        self.doing = "nothing"
        self.last_write: tuple[int, int] | None = None
        # By key what this session's last commit came after.
        self.own_floors: Mapping[int, int] = {}
        self._keys = range(number * KEYS_EACH, (number + 1) * KEYS_EACH)

    # What to do next.

    def plan(self) -> Plan:
        """The next thing to do."""
        plans = [self.write, self.write, self.read_by_age, self.read_by_age, self.read_by_bytes, self.read_own]
        plans += [self.read_after_token, self.read_after_token, self._count_up, self._prevented, self._primary]
        plans += [self._whole, self._snapshot, self._strict, self._patient]
        chosen = self.chance.choice(plans)()
        self.begun += 1
        self.doing = chosen.name
        self.truth.counts[f"did: {chosen.name}"] += 1
        return chosen

    def rests(self) -> float:
        """How long to rest before the next thing, in seconds."""
        return self.chance.uniform(0.0, 0.01)

    def renews(self) -> bool:
        """Whether to go on with a new session."""
        return self.chance.random() < 0.02

    def last_things(self) -> list[Plan]:
        """What everybody must be able to do in the end, with the session that all of this happened to."""
        return [self._primary(), self.write(), self.read_own()]

    # What became of it.

    def is_left_broken(self, plan: Plan) -> None:
        """Note that the session cannot do something although all is well again."""
        self.truth.accuse(f"{self.name}: {plan.name} fails with a session although all is well again")

    def failed(self, plan: Plan, error: Exception, began_at: float) -> None:
        """Judge an error."""
        counts = self.truth.counts
        if isinstance(error, NoReplicaAvailable) and plan.refusable:
            counts["refused: no replica"] += 1
        elif isinstance(error, StaleReplicaWrite):
            counts["refused: stale write"] += 1
        elif isinstance(error, WritePrevented):
            counts["refused: write prevented"] += 1
        elif plan.losable and worth_another_server(error):
            counts["refused: snapshot lost"] += 1
        elif self._is_the_primarys(error) and self.facts.disturbances.overlap(began_at, time.monotonic()):
            counts["failed while the primary was disturbed"] += 1
        else:
            self.truth.accuse(f"{self.name}, {plan.name}: {_words(error)}")

    def not_rolled_back(self, error: Exception, began_at: float) -> None:
        """Judge an error of a rollback: SQLAlchemy raises where the primary was lost just then."""
        if self._is_the_primarys(error) and self.facts.disturbances.overlap(began_at, time.monotonic()):
            self.truth.counts["rolled back without the primary"] += 1
        else:
            self.truth.accuse(f"{self.name}: a session cannot be rolled back: {_words(error)}")

    def _is_the_primarys(self, error: Exception) -> bool:
        return isinstance(error, TargetError | PoolTimeout) or worth_another_server(error)

    def pass_on(self, token: str | None, floors: Mapping[int, int]) -> None:
        """Hand a token to the others.

        Args:
            token: what the session gave.
            floors: what was committed before it was asked for.
        """
        if token is None:
            self.truth.accuse(f"{self.name}: a session that has committed gives no token")
            return
        self.facts.tokens.append((token, floors))
        self.truth.counts["tokens passed on"] += 1
        position = read_token(token)
        if position is not None and self.last_write is not None:
            self.truth.note_position(*self.last_write, position)

    # The things.

    def write(self) -> Plan:
        key = self.chance.choice(self._keys)

        def run(session: Session) -> None:
            number = self.truth.begin_write(key)
            floors = self.truth.floors()
            session.execute(sa.update(CounterRow).where(CounterRow.key == key).values(value=number))
            session.add(Entry(key=key, number=number))
            session.commit()
            self.truth.committed(key, number)
            self.truth.counts["writes acknowledged"] += 1
            self.last_write = key, number
            self.own_floors = {**floors, key: number}

        return Plan("write", (), run, wants_token=self.chance.random() < 0.5)

    def read_by_age(self) -> Plan:
        age = self.chance.choice(_AGES)
        if age == _AGES[-1]:
            return self._read(f"max_lag {age:g} by policy", (replica_policy("recent"),), max_age=age)
        return self._read(f"max_lag {age:g}", (replica_read(max_lag=age),), max_age=age)

    def read_by_bytes(self) -> Plan:
        return self._read("max_lag in bytes", (replica_read(max_lag=f"{_BYTES}B"),), max_bytes=_BYTES)

    def read_own(self) -> Plan:
        return self._read("own writes", (replica_read(),))

    def read_after_token(self) -> Plan:
        if not self.facts.tokens:
            return self.read_own()
        token, floors = self.chance.choice(list(self.facts.tokens))
        return self._read("after a token", (causal(token), replica_read()), floors=floors)

    def _strict(self) -> Plan:
        blocks = (replica_read(max_lag=1.0, disable_fallback=True),)
        return self._read("without fallback", blocks, max_age=1.0, refusable=True)

    def _patient(self) -> Plan:
        if not self.facts.tokens:
            return self.read_own()
        token, floors = self.facts.tokens[-1]
        return self._read("after a token, waiting", (causal(token), replica_read(max_wait="200ms")), floors=floors)

    def _primary(self) -> Plan:
        return self._read("the primary", (primary(),), max_age=0.0)

    def _read(
        self,
        name: str,
        blocks: tuple[Any, ...],
        *,
        max_age: float | None = None,
        floors: Mapping[int, int] | None = None,
        max_bytes: int | None = None,
        refusable: bool = False,
    ) -> Plan:
        key = self.chance.randrange(self.facts.keys)
        statement = sa.select(CounterRow.value).where(CounterRow.key == key)

        def run(session: Session) -> None:
            began_at = time.monotonic()
            value = session.execute(statement).scalar_one()
            floor = max((floors or {}).get(key, 0), self.own_floors.get(key, 0))
            self.truth.judge(Answer(key, value, began_at, _server(session), name, max_age, floor, max_bytes))
            session.rollback()

        return Plan(name, blocks, run, refusable)

    def _whole(self) -> Plan:
        """Several reads in one transaction: one replica, and never back in time."""

        def run(session: Session) -> None:
            seen: list[tuple[str, dict[int, int]]] = []
            for _ in range(3):
                values = {row.key: row.value for row in session.execute(sa.select(CounterRow.key, CounterRow.value))}
                seen.append((_server(session), values))
            for (former, earlier), (server, later) in pairwise(seen):
                if server not in (former, "primary"):
                    self.truth.accuse(f"a transaction went from {former} to {server}")
                back = [key for key, value in earlier.items() if later[key] < value]
                # A standby shows a commit that the primary holds back until somebody has confirmed it.
                if back and server == former:
                    self.truth.accuse(f"within a transaction on {former} key {back[0]} went back")
            session.rollback()

        return Plan("one transaction", (replica_read(),), run)

    def _snapshot(self) -> Plan:
        def run(session: Session) -> None:
            first = session.execute(sa.select(CounterRow.key, CounterRow.value).order_by(CounterRow.key)).all()
            server = _server(session)
            second = session.execute(sa.select(CounterRow.key, CounterRow.value).order_by(CounterRow.key)).all()
            if server != "primary" and first != second:
                self.truth.accuse(f"one snapshot on {server}, then {_server(session)}, shows two states")
            session.rollback()

        return Plan("one snapshot", (replica_read(snapshot=True),), run, losable=True)

    def _count_up(self) -> Plan:
        """Read a shared counter wherever it may be read, and write one more: what the guard of stale objects is for."""
        which = self.chance.randrange(SHARED)

        def run(session: Session) -> None:
            with replica_read():
                row = session.get_one(Shared, which)
            if _server(session) == "primary":
                # Two that read the same there would both write the same, replicas or not.
                session.refresh(row, with_for_update=True)
            else:
                self.truth.counts["objects from replicas changed"] += 1
            row.value += 1
            floors = self.truth.floors()
            session.commit()
            self.facts.added.append(which)
            self.own_floors = floors
            self.truth.counts["shared counter counted up"] += 1

        return Plan("count up", (), run)

    def _prevented(self) -> Plan:
        read = self.read_by_age()

        def run(session: Session) -> None:
            read.run(session)
            session.execute(sa.update(CounterRow).where(CounterRow.key == 0).values(value=-1))
            self.truth.accuse("a write passed that was to be prevented")

        return Plan("writes prevented", (replica_read(max_lag=0.5, prevent_writes=True),), run)


def _server(session: Session) -> str:
    assert isinstance(session, RoutingSession)
    return session.last_route.name if session.last_route is not None else "nobody"


def _words(error: Exception) -> str:
    state = sqlstate_of(error) if isinstance(error, DBAPIError) else None
    return f"{type(error).__name__} {state or ''}: {str(error)[:400]}"


def work_in_thread(worker: Worker) -> None:
    """Do one thing after the other until the run ends, then the last things."""
    make = worker.cluster.sessionmaker(on_stale="raise")
    session = make()
    try:
        while not worker.facts.stopping.is_set():
            do(worker, session, worker.plan())
            if worker.renews():
                session.close()
                session, worker.own_floors = make(), {}
            time.sleep(worker.rests())
        for plan in worker.last_things():
            if not any(do(worker, session, plan) for _ in range(_LAST_TRIES)):
                worker.is_left_broken(plan)
    finally:
        worker.doing = "nothing"
        session.close()


def do(worker: Worker, session: RoutingSession, plan: Plan) -> bool:
    """Do one thing; whether it could be done.

    Args:
        worker: who does it.
        session: with which session.
        plan: what.
    """
    began_at = time.monotonic()
    try:
        with ExitStack() as blocks:
            for block in plan.blocks:
                blocks.enter_context(block)
            plan.run(session)
        if plan.wants_token:
            floors = worker.truth.floors()
            worker.pass_on(session.causal_token, {**floors, **worker.own_floors})
        return True
    except Exception as error:
        worker.failed(plan, error, began_at)
        try:
            session.rollback()
        except Exception as again:
            worker.not_rolled_back(again, began_at)
            session.rollback()
        return False


async def work_in_task(worker: Worker) -> None:
    """The same with an asynchronous session."""
    make = worker.cluster.async_sessionmaker(on_stale="raise")
    session = make()
    try:
        while not worker.facts.stopping.is_set():
            await _do_in_task(worker, session, worker.plan())
            if worker.renews():
                await session.close()
                session, worker.own_floors = make(), {}
            await asyncio.sleep(worker.rests())
        for plan in worker.last_things():
            for _ in range(_LAST_TRIES):
                if await _do_in_task(worker, session, plan):
                    break
            else:
                worker.is_left_broken(plan)
    finally:
        worker.doing = "nothing"
        await session.close()


async def _do_in_task(worker: Worker, session: Any, plan: Plan) -> bool:
    began_at = time.monotonic()
    try:
        with ExitStack() as blocks:
            for block in plan.blocks:
                blocks.enter_context(block)
            await session.run_sync(plan.run)
        if plan.wants_token:
            floors = worker.truth.floors()
            worker.pass_on(await session.causal_token(), {**floors, **worker.own_floors})
        return True
    except Exception as error:
        worker.failed(plan, error, began_at)
        try:
            await session.rollback()
        except Exception as again:
            worker.not_rolled_back(again, began_at)
            await session.rollback()
        return False
