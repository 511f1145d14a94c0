"""A cluster of one database, whose replica is the primary in the past: real routing, by news that a test has told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from erm_alembic.config.settings import PoolSettings
from erm_alembic.postgres.exported_snapshot import begin_in_snapshot, enter_snapshot
from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.connections.membership import Membership
from erm_alembic.routing.connections.nodes import NotARead, PrimaryNode, ReplicaNode
from erm_alembic.routing.deciding.budget import FallbackBudget
from erm_alembic.routing.deciding.classify import Classifier
from erm_alembic.routing.deciding.reasons import Reason, Why
from erm_alembic.routing.deciding.selection import Candidate, Verdict, judged
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import ReplicaConfig
from erm_alembic.routing.positions import Position
from erm_alembic.routing.router import Router
from erm_alembic.routing.watching.loop_event import LoopEvent
from erm_alembic.routing.watching.monitor import Monitor
from erm_alembic.routing.watching.probe import Link
from erm_alembic.routing.watching.questions import ask_catalogs
from erm_alembic.routing.watching.state import ClusterState, PrimaryState, ReplicaState, Trouble
from erm_alembic.testing.past import Past

__all__ = ["Simulation"]

Answer = TypeVar("Answer")

# Under which a connection knows the snapshot that its transaction reads in.
_SNAPSHOT = "erm_snapshot"


class Simulation:
    """A cluster whose one replica is the primary in the past, and what routing asks instead of its monitor.

    Args:
        url: the address of the database.
        name: what the replica is called.
        past: the moment that the replica has got to, and what is said of it.
        engine_options: what else `sqlalchemy.create_engine` is told of each engine.
        fallback_budget: how many reads the primary takes over; None sets no bound.
    """

    def __init__(
        self,
        url: str,
        name: str,
        past: Past,
        engine_options: Mapping[str, Any],
        fallback_budget: FallbackBudget | None,
    ) -> None:
        pool, self._past = PoolSettings(), past
        # What a test has made meanwhile is known at once: nobody wants to wait for that there.
        self._classifier = Classifier(self.read_catalogs, every=0.0)
        self._primary = PrimaryNode(url, pool, engine_options)
        self._name = name
        members = Membership(
            self._primary,
            [ReplicaConfig(name, self._primary.url)],
            lambda config: ReplicaNode(
                config, config.url, pool, engine_options, self._classifier, lambda engine: _read_in(past, engine)
            ),
        )
        # Wakes the tasks that wait.
        self._listeners: set[Callable[[], None]] = set()
        self.state = self._now()
        router = Router(
            members,
            self,
            self._classifier,
            # No real time passes for this replica: it is as stale as it is told to be, however slow a test is.
            heard_within=float("inf"),
            fallback_budget=fallback_budget,
            judge=self._judge,
        )
        # Asks the primary for its position; nobody starts it.
        self._monitor = Monitor(self._primary.url.dsn, {})
        self.cluster = Cluster.of(router, members, self._monitor)

    def tell(self) -> None:
        """Let everybody know at once what a test has said."""
        self.state = self._now()
        with self._past.changed:
            self._past.changed.notify_all()
        for wake in tuple(self._listeners):
            wake()

    def read_catalogs(self) -> None:
        """Learn what the database says of its functions by now."""
        link = Link(self._primary.url.dsn(), 10.0)
        try:
            self._classifier.learn(ask_catalogs(link, 30.0))
        finally:
            link.close()

    # What routing asks.

    def start(self) -> None:
        """Have news, as a monitor has at each interval."""
        self.state = self._now()

    def wait_for(
        self, find: Callable[[], Answer | None], timeout: float, position: Position | None = None
    ) -> Answer | None:
        """Wait until a test has said what lets something be found."""
        ends_at = time.monotonic() + timeout
        with self._past.changed:
            while not (found := find()):
                remaining = ends_at - time.monotonic()
                if remaining <= 0:
                    return None
                self._past.changed.wait(remaining)
        return found

    async def wait_in_loop(
        self, find: Callable[[], Answer | None], timeout: float, position: Position | None = None
    ) -> Answer | None:
        """The same for asyncio."""
        news = LoopEvent(asyncio.get_running_loop(), timeout)
        self._listeners.add(news.wake)
        try:
            while not (found := find()) and not news.is_over:
                await news.wait()
                news.forget()
            return found
        finally:
            self._listeners.discard(news.wake)
            news.end()

    def primary_position(self) -> Position:
        """How far the primary has written at this moment."""
        return self._monitor.primary_position()

    def _now(self) -> ClusterState:
        """What a test has said, as of now."""
        now, past = time.monotonic(), self._past
        position = past.position
        system, timeline = (None, None) if position is None else (position.system, position.timeline)
        primary = PrimaryState(
            now, True, True, system, timeline, None if position is None else position.lsn, "", trouble=Trouble.NONE
        )
        replica = ReplicaState(
            name=self._name,
            seen_at=now,
            reachable=past.reachable,
            in_recovery=True,
            follows=True,
            replay_lsn=primary.lsn,
            timeline=timeline,
            fresh_as_of=None if past.lag is None else now - past.lag,
            lag=past.lag,
            lag_bytes=past.lag_bytes,
            problem="" if past.reachable else "it was told to fail",
            trouble=Trouble.NONE if past.reachable else Trouble.UNREACHABLE,
        )
        return ClusterState(now, primary, MappingProxyType({self._name: replica}))

    def _judge(self, node: Candidate, state: ClusterState, need: Need, now: float, heard_within: float) -> Verdict:
        """Judge the replica as of the moment at which it was told what it is.

        A commit is either replayed or not: the lag that is reported has no part in that.
        """
        if need.since:
            need = replace(need, since=float("inf") if need.since >= self._past.begun_at else 0.0)
        return judged(node, state, need, state.taken_at or now, heard_within)


def _read_in(past: Past, engine: Engine) -> None:
    """Let each statement of an engine, or each transaction where there is one, read in the snapshot of the moment."""

    def begin(connection: Connection) -> None:
        if not _is_without_transactions(connection):
            connection.info[_SNAPSHOT] = past.name
            with closing(connection.connection.cursor()) as cursor:
                # Also where a result is streamed, which has a transaction for its cursor alone.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                enter_snapshot(cursor, past.name)

    def before(connection: Connection, *_: Any) -> None:
        if _is_without_transactions(connection):
            with closing(connection.connection.cursor()) as cursor:
                begin_in_snapshot(cursor, past.name)
        elif _has_a_snapshot_each(connection) and connection.info.get(_SNAPSHOT) != past.name:
            raise NotARead(Reason(Why.NONE_FRESH))  # a standby would answer with what it has replayed since

    event.listen(engine, "begin", begin)
    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", _after)
    event.listen(engine, "handle_error", _after_error)


def _after(connection: Connection, *_: Any) -> None:
    _end(connection, "COMMIT")


def _after_error(context: ExceptionContext) -> None:
    if context.connection is not None and not context.is_disconnect:
        _end(context.connection, "ROLLBACK")


def _end(connection: Connection, how: str) -> None:
    """End the transaction of a statement: what it found has been fetched."""
    if _is_without_transactions(connection):
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute(how)


def _has_a_snapshot_each(connection: Connection) -> bool:
    """Whether its transaction is to see what is new from one statement to the next."""
    return bool(connection.get_execution_options().get("isolation_level") == "READ COMMITTED")


def _is_without_transactions(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("isolation_level", "AUTOCOMMIT") == "AUTOCOMMIT")
