"""A primary with its replicas: their engines, what is known of them, and the sessions that read from them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine
from sqlalchemy.orm import sessionmaker

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import PoolSettings
from erm_alembic.errors import NoReplicaAvailable
from erm_alembic.routing.connections.membership import Membership, search_first
from erm_alembic.routing.connections.nodes import PrimaryNode, ReplicaNode
from erm_alembic.routing.connections.reactions import Reactions
from erm_alembic.routing.deciding.budget import Budget, FallbackBudget
from erm_alembic.routing.deciding.classify import NOT_KNOWN_YET, Classifier
from erm_alembic.routing.deciding.policies import Policies
from erm_alembic.routing.deciding.reasons import NONE_FRESH, why_no_fallback
from erm_alembic.routing.deciding.routes import Explanation
from erm_alembic.routing.deciding.selection import least_loaded, why_not
from erm_alembic.routing.discovery import Discovery, Found
from erm_alembic.routing.discovery.search import Search
from erm_alembic.routing.forking import begins_in_child
from erm_alembic.routing.misuse import verify_discovery, verify_replicas
from erm_alembic.routing.need import Need
from erm_alembic.routing.observer import Observer
from erm_alembic.routing.options import ReadMode, ReplicaConfig, ReplicaReadOptions
from erm_alembic.routing.positions import Position
from erm_alembic.routing.sessions.explain import explain
from erm_alembic.routing.sessions.provenance import OnStale, checked
from erm_alembic.routing.watching.monitor import HeartbeatTable, Monitor
from erm_alembic.routing.watching.state import ClusterState

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import async_sessionmaker

    from erm_alembic.routing.sessions.session import RoutingSession

__all__ = ["Cluster"]


class Cluster:
    """A primary with its replicas; `with`, for asyncio `async with`, lets go of all connections at its end, for good.

    Made by `connect_cluster` or `connect_cluster_from_config`. Without replicas everything is the same, but that it all
    goes to the primary, and that no thread runs.

    Args:
        url: the primary's address.
        replicas: the replicas.
        pool: how many connections the engine of each server holds, and for how long.
        engine_options: what else `sqlalchemy.create_engine` is told of each.
        monitor_interval: how often the servers are asked how far they are, in seconds.
        fallback_budget: how many reads the primary takes over where replicas are missing; None sets no bound.
        heartbeat: a table to measure replicas by that do not state their position; None writes nothing anywhere.
        on_stale: what its sessions do with an object that was read stale and changed, unless they say it themselves.

    Raises:
        ConfigurationError: an address is none, or two replicas share a name.
        ValueError: `on_stale` is none of "raise", "refetch" and "warn".
    """

    def __init__(
        self,
        url: str | DatabaseUrl,
        replicas: Sequence[ReplicaConfig] = (),
        *,
        pool: PoolSettings | None = None,
        engine_options: Mapping[str, Any] = MappingProxyType({}),
        monitor_interval: float = 1.0,
        fallback_budget: FallbackBudget | None = None,
        heartbeat: HeartbeatTable | None = None,
        on_stale: OnStale = "raise",
        discovery: Discovery | None = None,
    ) -> None:
        verify_replicas(replicas, ReplicaConfig)
        verify_discovery(discovery)
        pool = pool or PoolSettings()
        self.classifier = Classifier()
        self.primary = PrimaryNode("primary", url, pool, engine_options)
        self._members = Membership(
            self.primary,
            replicas,
            lambda replica: ReplicaNode(replica, replica.url, pool, engine_options, self.classifier),
        )
        self.replicas = self._members.nodes
        self._discovers = discovery is not None
        self._policies = Policies()
        self.observer: Observer | None = None  # who counts what happens, where somebody does
        self.has_committed = False  # whether a session of this process ever wrote anything
        self.fallback_budget = fallback_budget
        self._budget = None if fallback_budget is None else Budget(fallback_budget)
        self.on_stale = checked(on_stale)
        self.heard_within = 4 * monitor_interval + 2.0
        self._reactions = Reactions(self.primary, lambda: (self.replicas, self.monitor.state), self.heard_within)
        self.monitor: Monitor = Monitor(
            lambda: self.primary.url.dsn(),
            {node.name: node.url.dsn for node in self.replicas},
            interval=monitor_interval,
            on_change=self._reactions.noticed,
            on_volatility=self.classifier.learn,
            heartbeat=heartbeat,
            search=None if discovery is None else partial(Search, discovery, self.primary.url, self._found),
        )
        if discovery is not None and discovery.finds_primary:
            self.primary.locate = partial(search_first, self.monitor)
        begins_in_child(self)

    @property
    def primary_only(self) -> bool:
        """Whether there is no replica, and none can come."""
        return not self.replicas and not self._discovers

    @property
    def policies(self) -> Mapping[str, ReadMode]:
        """The named ways to read."""
        return self._policies.by_name

    @property
    def default_mode(self) -> ReadMode:
        """What holds where nothing else is chosen."""
        return self._policies.default

    # What a session asks.

    def watch_for(self, mode: ReadMode, no_read: str) -> None:
        """Have the servers watched, since somebody wants to read from replicas.

        Args:
            mode: what the read asks.
            no_read: why its statement is not known to be a pure read; empty where it is.

        Raises:
            NoReplicaAvailable: that is only because nothing is known yet, and the read may not fall back.
        """
        if not self.primary_only:
            self.monitor.start()
            if no_read is NOT_KNOWN_YET:
                self.fall_back(mode, no_read)

    def choose(self, need: Need, *, asynchronous: bool, avoid: Collection[str] = ()) -> ReplicaNode | None:
        """A replica for a read; None where none is fresh enough. Reads what is known, asks nobody.

        Args:
            need: what the read needs.
            asynchronous: whether for an `AsyncSession`.
            avoid: the names of those that have failed it already.
        """
        if self.primary_only:
            return None
        self.monitor.start()
        now = time.monotonic()
        nodes = self.replicas  # before the state: see Membership
        state = self.monitor.state
        fit = [
            node for node in nodes if node.name not in avoid and not why_not(node, state, need, now, self.heard_within)
        ]
        return least_loaded(fit, asynchronous) if fit else None

    def fits(self, node: ReplicaNode, need: Need) -> bool:
        """Whether a replica can be taken for a read now."""
        return not why_not(node, self.monitor.state, need, time.monotonic(), self.heard_within)

    def mode_of(self, choice: ReadMode | str) -> ReadMode:
        """The mode that somebody chose.

        Args:
            choice: a mode, or the name of one of this cluster's policies.

        Raises:
            ConfigurationError: there is no policy of that name.
        """
        return self._policies.mode_of(choice)

    def fall_back(self, mode: ReadMode, why: str) -> None:
        """Let the primary answer a read that no replica can.

        Args:
            mode: what holds for the read.
            why: why none can.

        Raises:
            NoReplicaAvailable: the read forbids it, or the budget for this is used up.
        """
        if self.primary_only:
            return
        budget = None if mode.disable_fallback else self._budget
        refused = why_no_fallback(mode, within_budget=budget is None or budget.take())
        if self.observer is not None:
            self.observer.fell_back(mode, why, refused=refused != "")
        if refused:
            asked = f"policy {mode.policy!r}" if mode.policy else "read"
            raise NoReplicaAvailable(
                f"No replica can answer the {asked}: {why}.",
                effect=f"Nothing was read; {refused}.",
                cure="`erm replicas` shows how far each one is; allow more lag, or the primary.",
            )

    def why_no_fallback(self, mode: ReadMode) -> str:
        """Why `fall_back` would raise now; empty where it would not. Nothing is counted.

        Args:
            mode: what holds for the read.
        """
        if self.primary_only:
            return ""
        return why_no_fallback(mode, within_budget=self._budget is None or self._budget.allows())

    def count_read(self) -> None:
        """Note that a replica answers a read, of which a share may fall back."""
        if self._budget is not None:
            self._budget.read()

    def objections(self, need: Need) -> Mapping[str, str]:
        """Of each replica why it cannot be taken now; empty where it can.

        Args:
            need: what a read needs.
        """
        now, nodes, state = time.monotonic(), self.replicas, self.monitor.state
        return {node.name: why_not(node, state, need, now, self.heard_within) for node in nodes}

    def position(self) -> Position:
        """How far the primary has written at this moment, asked over a connection of the monitor's.

        Raises:
            TargetError: the primary cannot be reached.
        """
        return self.monitor.primary_position()

    # What an application asks.

    def use_replica_policies(
        self, default_policy: str | None, policies: Mapping[str, ReplicaReadOptions | ReadMode | None]
    ) -> Cluster:
        """Name ways to read.

        Args:
            default_policy: the one that holds where nothing else is chosen; None means the primary.
            policies: by name what a read asks, or the `policies` of a cluster; None stands for the primary.

        Raises:
            ConfigurationError: the default is none of them, or one is no policy; what there was stays.

        Example:
            >>> cluster = Cluster("postgresql://app@db/shop")
            >>> options = ReplicaReadOptions(max_lag="20s")
            >>> cluster.use_replica_policies("reporting", {"reporting": options}).default_mode.policy
            'reporting'
        """
        self._policies = Policies.of(default_policy, policies)
        return self

    def writer(self) -> Engine:
        """The engine of the primary."""
        return self.primary.engine()

    def reader(self, options: ReplicaReadOptions | str | None = None) -> Engine:
        """An engine to read from now, for code without sessions: ask again for each unit of work.

        Whatever is sent to a replica by it runs there, text included; a write is refused by the server.

        Args:
            options: what the read asks, or the name of a policy; None takes any replica that works.

        Raises:
            NoReplicaAvailable: there is none, and the primary may not be asked instead.
            ConfigurationError: there is no policy of that name.
        """
        mode = self.mode_of(options) if isinstance(options, str) else (options or ReplicaReadOptions()).mode
        node = self.choose(mode.need, asynchronous=False) if mode.replicas else None
        if node is None:
            if mode.replicas:
                self.fall_back(mode, NONE_FRESH)
            return self.primary.engine()
        self.count_read()
        return node.reading_engine(snapshot=mode.snapshot)

    def sessionmaker(self, **options: Any) -> sessionmaker[RoutingSession]:
        """Makes sessions that read from this cluster.

        Args:
            options: what `sqlalchemy.orm.sessionmaker` takes, and what `RoutingSession` takes.
        """
        from erm_alembic.routing.sessions.session import RoutingSession

        return sessionmaker(**{"class_": RoutingSession, "cluster": self, **options})

    def async_sessionmaker(self, **options: Any) -> async_sessionmaker[Any]:
        """The same for asyncio.

        Args:
            options: what `sqlalchemy.ext.asyncio.async_sessionmaker` takes, and what `RoutingSession` takes.
        """
        from sqlalchemy.ext.asyncio import async_sessionmaker

        from erm_alembic.routing.sessions.asynchronous import AsyncRoutingSession

        return async_sessionmaker(**{"class_": AsyncRoutingSession, "cluster": self, **options})

    def explain(self, statement: Any, policy: ReplicaReadOptions | str | None = None) -> Explanation:
        """Where a statement would go in a new session now, and why; nothing is sent.

        Args:
            statement: what would be executed.
            policy: what the read asks, or the name of a policy; None stands for the default policy.

        Raises:
            ConfigurationError: there is no policy of that name.
        """
        mode = self.default_mode if policy is None else self.mode_of(policy if isinstance(policy, str) else policy.mode)
        return explain(self, statement, mode, mode.need)

    def status(self) -> ClusterState:
        """What is known of the servers, at most as old as the monitor's interval."""
        if not self.primary_only:
            self.monitor.start()
        return self.monitor.state

    def close(self) -> None:
        """Watch nobody any more, and let go of all connections; those of asynchronous sessions want `aclose()`.

        Sessions that outlive it read from the primary.
        """
        self.monitor.close()
        self._reactions.stop()
        for node in (self.primary, *self.replicas):
            node.renew(close=True)

    async def aclose(self) -> None:
        """The same for asyncio, within the loop that the connections belong to."""
        await asyncio.to_thread(self.monitor.close)
        self._reactions.stop()
        for node in (self.primary, *self.replicas):
            await node.aclose()

    def __repr__(self) -> str:
        replicas = ", ".join(node.name for node in self.replicas) or "none"
        found = " and discovered" if self._discovers else ""
        policies = ", ".join(self.policies) or "none"
        return f"<Cluster of {self.primary.url.redacted}; replicas: {replicas}{found}; policies: {policies}>"

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Cluster:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def begin_in_child(self) -> None:
        """After a fork: leave the parent's connections alone, and open others. The monitor does so by itself."""
        self._members.begin_in_child()
        self._reactions.begin_in_child()
        if self._budget is not None:
            self._budget.begin_in_child()
        for node in (self.primary, *self.replicas):
            node.begin_in_child()

    def _found(self, found: Found) -> None:
        self.replicas = self._members.take(found, self.monitor)
