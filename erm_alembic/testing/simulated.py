"""A cluster of one database, whose replica is the primary in the past: real routing, by a monitor that is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from erm_alembic.config.settings import PoolSettings
from erm_alembic.postgres.exported_snapshot import begin_in_snapshot, enter_snapshot
from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.connections.nodes import ReplicaNode
from erm_alembic.routing.deciding.budget import FallbackBudget
from erm_alembic.routing.deciding.classify import Classifier
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import ReplicaConfig
from erm_alembic.routing.positions import Position
from erm_alembic.routing.watching.monitor import Monitor
from erm_alembic.routing.watching.probe import Link
from erm_alembic.routing.watching.questions import ask_catalogs
from erm_alembic.routing.watching.state import ClusterState, PrimaryState, ReplicaState
from erm_alembic.testing.past import Past

__all__ = ["SimulatedCluster"]

Found = TypeVar("Found")

# No real time passes for this replica: it is as stale as it is told to be, however slow a test is.
_INTERVAL = 1e6


class SimulatedCluster(Cluster):
    """A cluster whose one replica is the primary in the past."""

    def __init__(
        self,
        url: str,
        name: str,
        past: Past,
        engine_options: Mapping[str, Any],
        fallback_budget: FallbackBudget | None,
    ) -> None:
        pool = PoolSettings()
        super().__init__(
            url,
            pool=pool,
            engine_options=engine_options,
            monitor_interval=_INTERVAL,
            fallback_budget=fallback_budget,
        )
        self._past = past
        config = ReplicaConfig(name, self.primary.url)
        self.replicas = (SimulatedReplica(config, pool, engine_options, self.classifier, past),)
        self.monitor: SimulatedMonitor = SimulatedMonitor(self, past)

    def choose(self, need: Need, *, asynchronous: bool, avoid: Collection[str] = ()) -> ReplicaNode | None:
        self.monitor.tell()
        return super().choose(self._told(need), asynchronous=asynchronous, avoid=avoid)

    def fits(self, node: ReplicaNode, need: Need) -> bool:
        self.monitor.tell()
        return super().fits(node, self._told(need))

    def objections(self, need: Need) -> Mapping[str, str]:
        self.monitor.tell()
        return super().objections(self._told(need))

    def status(self) -> ClusterState:
        self.monitor.tell()
        return super().status()

    def _told(self, need: Need) -> Need:
        """A need whose commit is either replayed or not: the lag that is reported has no part in that."""
        return replace(need, since=float("inf") if need.since >= self._past.begun_at else 0.0) if need.since else need


class SimulatedMonitor(Monitor):
    """Asks nobody how far the replica is: it says what a test has said."""

    def __init__(self, cluster: SimulatedCluster, past: Past) -> None:
        self._cluster, self._past = cluster, past
        super().__init__(cluster.primary.url.dsn, {}, on_volatility=cluster.classifier.learn)

    def start(self) -> None:
        pass

    def tell(self) -> None:
        """Publish what a test has said, as of now."""
        now, past = time.monotonic(), self._past
        position = past.position
        system, timeline = (None, None) if position is None else (position.system, position.timeline)
        primary = PrimaryState(now, True, True, system, timeline, None if position is None else position.lsn, "")
        replica = ReplicaState(
            name=self._cluster.replicas[0].name,
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
        )
        self._publish(ClusterState(now, primary, MappingProxyType({replica.name: replica})))()

    def refresh(self, timeout: float = 5.0) -> ClusterState:
        self.tell()
        return self.state

    def wait_for(
        self, find: Callable[[], Found | None], timeout: float, position: Position | None = None
    ) -> Found | None:
        ends_at = time.monotonic() + timeout
        with self._past.changed:
            while not (found := find()):
                remaining = ends_at - time.monotonic()
                if remaining <= 0:
                    return None
                self._past.changed.wait(remaining)
        return found

    def _hurry(self) -> bool:
        return True

    def read_catalogs(self) -> None:
        link = Link(self._cluster.primary.url.dsn(), 10.0)
        try:
            self._learn(ask_catalogs(link, 30.0))
        finally:
            link.close()


class SimulatedReplica(ReplicaNode):
    """A replica whose connections read in a snapshot of the primary."""

    def __init__(
        self,
        config: ReplicaConfig,
        pool: PoolSettings,
        options: Mapping[str, Any],
        classifier: Classifier,
        past: Past,
    ) -> None:
        self._past = past
        url = config.url
        assert not isinstance(url, str)
        super().__init__(config, url, pool, options, classifier)

    def prepare(self, engine: Engine) -> None:
        """Let each statement, or each transaction where there is one, read in the snapshot of the moment."""
        super().prepare(engine)
        event.listen(engine, "begin", self._transaction)
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", _after)
        event.listen(engine, "handle_error", _after_error)

    def _transaction(self, connection: Connection) -> None:
        if not _is_without_transactions(connection):
            with closing(connection.connection.cursor()) as cursor:
                enter_snapshot(cursor, self._past.name)

    def _before(self, connection: Connection, *_: Any) -> None:
        if _is_without_transactions(connection):
            with closing(connection.connection.cursor()) as cursor:
                begin_in_snapshot(cursor, self._past.name)


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


def _is_without_transactions(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("isolation_level", "AUTOCOMMIT") == "AUTOCOMMIT")
