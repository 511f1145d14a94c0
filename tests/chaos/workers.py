"""The load of a run: each worker does one thing after the other by its seed, with one session for long, and judges what
became of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from sqlalchemy.exc import DBAPIError

from erm_alembic.errors import NoReplicaAvailable
from erm_alembic.routing import Cluster, RoutingSession
from erm_alembic.routing.failures import sqlstate_of
from erm_alembic.routing.sessions.asynchronous import AsyncRoutingSession
from erm_alembic.routing.tokens import read_token
from tests.chaos.plans import Plan, Repertoire, SharedFacts, server_of
from tests.support.load.crew import Crew
from tests.support.load.windows import PRIMARY, is_of_a_lost_server

__all__ = ["Worker", "do", "work_in_task", "work_in_thread"]

# What was idle in a pool may be found to be lost once; more often only what is broken fails.
_LAST_TRIES = 3


class Worker:
    """One of those who load the servers.

    Args:
        name: its name.
        number: which one it is.
        seed: of the run.
        cluster: whose sessions it uses.
        facts: what it shares with the others.
    """

    def __init__(self, name: str, number: int, seed: int, cluster: Cluster, facts: SharedFacts) -> None:
        self.name, self.cluster, self.facts = name, cluster, facts
        self.truth = facts.truth
        self.chance = random.Random(f"{seed}-{name}")
        self.can = Repertoire(number, self.chance, facts)
        # A number that changes with everything that it begins; and how much of it was done.
        self.begun = self.done = 0
        # The same until the load was over: what everybody does then says nothing of it.
        self.done_under_load = 0
        self.doing = "nothing"

    def begins(self, plan: Plan) -> Plan:
        """Note what it does now."""
        self.begun += 1
        self.doing = plan.name
        self.truth.count(f"tried: {plan.name}")
        return plan

    def rests(self) -> float:
        """How long to rest before the next thing, in seconds."""
        return self.chance.uniform(0.0, 0.01)

    def renews(self) -> bool:
        """Whether to go on with a new session."""
        return self.chance.random() < 0.02

    # What became of it.

    def succeeded(self, plan: Plan) -> None:
        """Note that it was done."""
        self.done += 1
        self.truth.count(f"done: {plan.name}")

    def is_left_broken(self, plan: Plan) -> None:
        """Note that the session cannot do something although all is well again."""
        self.truth.accuse(f"{self.name}: {plan.name} fails with a session although all is well again")

    def failed(self, plan: Plan, error: Exception, began_at: float, server: str) -> None:
        """Judge an error: an answer to what was asked, or what an event of just then brings about, or a violation.

        Args:
            plan: what was done.
            error: what it met.
            began_at: when it was begun, by `time.monotonic()`.
            server: where its last statement was sent.
        """
        now = time.monotonic()
        if plan.refusal is not None and isinstance(error, plan.refusal):
            self.succeeded(plan)
            self.truth.count(f"refused: {plan.name}")
        elif isinstance(error, NoReplicaAvailable):
            # Whatever happens to any server may leave no replica fresh enough for a second.
            excuse = self.facts.windows.explain(began_at, now) if plan.refusable else ""
            self._judge(plan, error, excuse and "refused: no replica")
        elif not is_of_a_lost_server(error):
            self._judge(plan, error, "")
        elif self.facts.windows.explain(began_at, now, PRIMARY):
            self._judge(plan, error, "failed while the primary was disturbed")
        else:
            excuse = self.facts.windows.explain(began_at, now, server) if plan.losable else ""
            self._judge(plan, error, excuse and "refused: snapshot lost")

    def not_rolled_back(self, error: Exception, began_at: float) -> None:
        """Judge an error of a rollback: SQLAlchemy raises where the primary was lost just then."""
        if is_of_a_lost_server(error) and self.facts.windows.explain(began_at, time.monotonic(), PRIMARY):
            self.truth.count("rolled back without the primary")
        else:
            self.truth.accuse(f"{self.name}: a session cannot be rolled back: {_words(error)}")

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
        self.truth.count("tokens passed on")
        position = read_token(token)
        if position is not None and self.can.last_write is not None:
            self.truth.note_position(*self.can.last_write, position)

    def _judge(self, plan: Plan, error: Exception, excuse: str) -> None:
        if excuse:
            self.truth.count(excuse)
        else:
            self.truth.accuse(f"{self.name}, {plan.name}: {_words(error)}")


def _words(error: Exception) -> str:
    state = sqlstate_of(error) if isinstance(error, DBAPIError) else None
    return f"{type(error).__name__} {state or ''}: {str(error)[:400]}"


def work_in_thread(worker: Worker, crew: Crew) -> None:
    """Do one thing after the other until the run ends, then the last things; then, in the calm, everything once.

    Args:
        worker: who works.
        crew: says when the run ends.
    """
    make = worker.cluster.sessionmaker(on_stale="raise")
    session = make()
    try:
        while not crew.stopping.is_set():
            do(worker, session, worker.can.next())
            if worker.renews():
                session.close()
                session, worker.can.own_floors = make(), {}
            time.sleep(worker.rests())
        worker.done_under_load = worker.done
        for plan in worker.can.last_things():
            if not any(do(worker, session, plan) for _ in range(_LAST_TRIES)):
                worker.is_left_broken(plan)
        time.sleep(max(0.0, worker.facts.windows.are_over_at() - time.monotonic()))
        for plan in worker.can.in_calm():
            do(worker, session, plan)
    finally:
        session.close()
    worker.doing = "nothing"


def do(worker: Worker, session: RoutingSession, plan: Plan) -> bool:
    """Do one thing; whether it could be done.

    Args:
        worker: who does it.
        session: with which session.
        plan: what.
    """
    began_at = time.monotonic()
    worker.begins(plan)
    try:
        with ExitStack() as blocks:
            for block in plan.blocks:
                blocks.enter_context(block)
            plan.run(session)
        if plan.wants_token:
            floors = worker.truth.floors()
            worker.pass_on(session.causal_token, {**floors, **worker.can.own_floors})
        worker.succeeded(plan)
        return True
    except Exception as error:
        worker.failed(plan, error, began_at, server_of(session))
        try:
            session.rollback()
        except Exception as again:
            worker.not_rolled_back(again, began_at)
            session.rollback()
        return False


async def work_in_task(worker: Worker, crew: Crew) -> None:
    """The same with an asynchronous session."""
    make = worker.cluster.async_sessionmaker(on_stale="raise")
    session = make()
    try:
        while not crew.stopping.is_set():
            await _do_in_task(worker, session, worker.can.next())
            if worker.renews():
                await session.close()
                session, worker.can.own_floors = make(), {}
            await asyncio.sleep(worker.rests())
        worker.done_under_load = worker.done
        for plan in worker.can.last_things():
            for _ in range(_LAST_TRIES):
                if await _do_in_task(worker, session, plan):
                    break
            else:
                worker.is_left_broken(plan)
        await asyncio.sleep(max(0.0, worker.facts.windows.are_over_at() - time.monotonic()))
        for plan in worker.can.in_calm():
            await _do_in_task(worker, session, plan)
    finally:
        await session.close()
    worker.doing = "nothing"


async def _do_in_task(worker: Worker, session: AsyncRoutingSession, plan: Plan) -> bool:
    began_at = time.monotonic()
    worker.begins(plan)
    try:
        with ExitStack() as blocks:
            for block in plan.blocks:
                blocks.enter_context(block)
            await session.run_sync(plan.run)
        if plan.wants_token:
            floors = worker.truth.floors()
            worker.pass_on(await session.causal_token(), {**floors, **worker.can.own_floors})
        worker.succeeded(plan)
        return True
    except Exception as error:
        worker.failed(plan, error, began_at, server_of(_synchronous(session)))
        try:
            await session.rollback()
        except Exception as again:
            worker.not_rolled_back(again, began_at)
            await session.rollback()
        return False


def _synchronous(session: Any) -> RoutingSession:
    inner = session.sync_session
    assert isinstance(inner, RoutingSession)
    return inner
