"""What a worker can do: each thing with the promises that it is held against, and the refusals that are an answer."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from erm_alembic.errors import StaleReplicaWrite, WritePrevented
from erm_alembic.routing import RoutingSession, causal, primary, replica_policy, replica_read
from tests.chaos.tables import SHARED, CounterRow, Entry, Shared
from tests.support.load.truth import Answer, Truth
from tests.support.load.windows import Windows

__all__ = ["KEYS_EACH", "Plan", "Repertoire", "SharedFacts", "server_of"]

KEYS_EACH = 2
_AGES = (0.5, 1.0, 3.0)
_BYTES = 65536


@dataclass
class SharedFacts:
    """What the workers hand to each other.

    Args:
        truth: what they write.
        windows: when something was done to which server.
        keys: how many keys there are.
    """

    truth: Truth
    windows: Windows
    keys: int
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
        refusal: the error that is an answer to it whatever happens: the guard that it tries.
        refusable: whether `NoReplicaAvailable` is an answer while something happens to the servers.
        losable: whether the loss of the replica is an answer: nobody else has its snapshot.
        wants_token: whether a token of its commit is passed on.
    """

    name: str
    blocks: tuple[Any, ...]
    run: Callable[[Session], None]
    refusal: type[Exception] | None = None
    refusable: bool = False
    losable: bool = False
    wants_token: bool = False


class Repertoire:
    """What one worker can do.

    Args:
        number: which worker it is; the keys that it writes follow from that.
        chance: decides.
        facts: what it shares with the others.
    """

    def __init__(self, number: int, chance: random.Random, facts: SharedFacts) -> None:
        self.chance, self.facts, self.truth = chance, facts, facts.truth
        self.last_write: tuple[int, int] | None = None
        # By key what this session's last commit came after.
        self.own_floors: Mapping[int, int] = {}
        self._keys = range(number * KEYS_EACH, (number + 1) * KEYS_EACH)

    def next(self) -> Plan:
        """The next thing to do."""
        plans = [self.write, self.write, self.read_by_age, self.read_by_age, self.read_by_bytes, self.read_own]
        plans += [self.read_after_token, self.read_after_token, self.count_up, self.prevented, self.read_primary]
        plans += [self.whole, self.snapshot, self.strict, self.patient]
        return self.chance.choice(plans)()

    def last_things(self) -> list[Plan]:
        """What everybody must be able to do in the end, with the session that all of this happened to."""
        return [self.read_primary(), self.write(), self.read_own()]

    def in_calm(self) -> list[Plan]:
        """What nothing is an excuse for while nothing happens to the servers."""
        plans = [self.write(), self.read_by_age(), self.read_by_bytes(), self.read_own(), self.read_after_token()]
        return [*plans, self.count_up(), self.prevented(), self.whole(), self.snapshot(), self.patient()]

    def write(self) -> Plan:
        key = self.chance.choice(self._keys)

        def run(session: Session) -> None:
            number = self.truth.begin_write(key)
            floors = self.truth.floors()
            session.execute(sa.update(CounterRow).where(CounterRow.key == key).values(value=number))
            session.add(Entry(key=key, number=number))
            session.commit()
            self.truth.committed(key, number)
            self.truth.count("writes acknowledged")
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
        token, floors = self.chance.choice(self.facts.tokens)
        return self._read("after a token", (causal(token), replica_read()), floors=floors)

    def strict(self) -> Plan:
        blocks = (replica_read(max_lag=1.0, disable_fallback=True),)
        return self._read("without fallback", blocks, max_age=1.0, refusable=True)

    def patient(self) -> Plan:
        if not self.facts.tokens:
            return self.read_own()
        token, floors = self.facts.tokens[-1]
        return self._read("after a token, waiting", (causal(token), replica_read(max_wait="200ms")), floors=floors)

    def read_primary(self) -> Plan:
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
            self.truth.judge(Answer(key, value, began_at, server_of(session), name, max_age, floor, max_bytes))
            session.rollback()

        return Plan(name, blocks, run, refusable=refusable)

    def whole(self) -> Plan:
        """Several reads in one transaction: one replica, and never back in time."""

        def run(session: Session) -> None:
            seen: list[tuple[str, dict[int, int]]] = []
            for _ in range(3):
                values = {row.key: row.value for row in session.execute(sa.select(CounterRow.key, CounterRow.value))}
                seen.append((server_of(session), values))
            for (former, earlier), (server, later) in pairwise(seen):
                if server not in (former, "primary"):
                    self.truth.accuse(f"a transaction went from {former} to {server}")
                back = [key for key, value in earlier.items() if later[key] < value]
                # A standby shows a commit that the primary holds back until somebody has confirmed it.
                if back and server == former:
                    self.truth.accuse(f"within a transaction on {former} key {back[0]} went back")
            session.rollback()

        return Plan("one transaction", (replica_read(),), run)

    def snapshot(self) -> Plan:
        def run(session: Session) -> None:
            first = session.execute(sa.select(CounterRow.key, CounterRow.value).order_by(CounterRow.key)).all()
            server = server_of(session)
            second = session.execute(sa.select(CounterRow.key, CounterRow.value).order_by(CounterRow.key)).all()
            if server != "primary" and first != second:
                self.truth.accuse(f"one snapshot on {server}, then {server_of(session)}, shows two states")
            session.rollback()

        return Plan("one snapshot", (replica_read(snapshot=True),), run, losable=True)

    def count_up(self) -> Plan:
        """Read a shared counter wherever it may be read, and write one more: what the guard of stale objects is for."""
        which = self.chance.randrange(SHARED)

        def run(session: Session) -> None:
            with replica_read():
                row = session.get_one(Shared, which)
            if server_of(session) == "primary":
                # Two that read the same there would both write the same, replicas or not.
                session.refresh(row, with_for_update=True)
            else:
                self.truth.count("objects from replicas changed")
            row.value += 1
            floors = self.truth.floors()
            session.commit()
            self.facts.added.append(which)
            self.own_floors = floors
            self.truth.count("shared counter counted up")

        return Plan("count up", (), run, refusal=StaleReplicaWrite)

    def prevented(self) -> Plan:
        read = self.read_by_age()

        def run(session: Session) -> None:
            read.run(session)
            session.execute(sa.update(CounterRow).where(CounterRow.key == 0).values(value=-1))
            self.truth.accuse("a write passed that was to be prevented")

        blocks = (replica_read(max_lag=0.5, prevent_writes=True),)
        return Plan("writes prevented", blocks, run, refusal=WritePrevented)


def server_of(session: Session) -> str:
    """The name of the server that a session's last statement was sent to."""
    assert isinstance(session, RoutingSession)
    return session.last_route.name if session.last_route is not None else "nobody"
