"""A primary with its replicas, as an application holds them: it puts the parts together, and hands out sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine
from sqlalchemy.orm import sessionmaker

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import PoolSettings
from erm_alembic.routing.blocks import chosen_by, innermost_block
from erm_alembic.routing.connections.dropped import close_when_dropped
from erm_alembic.routing.connections.membership import Membership, search_first
from erm_alembic.routing.connections.nodes import PrimaryNode, ReplicaNode
from erm_alembic.routing.connections.reactions import Reactions
from erm_alembic.routing.deciding.budget import FallbackBudget
from erm_alembic.routing.deciding.classify import Classifier
from erm_alembic.routing.deciding.needs import need_within
from erm_alembic.routing.deciding.policies import Policies
from erm_alembic.routing.deciding.reasons import NONE_FRESH, OTHER_HISTORY
from erm_alembic.routing.deciding.routes import Explanation
from erm_alembic.routing.deciding.waiting import wait_for
from erm_alembic.routing.discovery import Discovery
from erm_alembic.routing.discovery.search import Search
from erm_alembic.routing.forking import begins_in_child
from erm_alembic.routing.limits import Duration, seconds
from erm_alembic.routing.misuse import verify_discovery, verify_replicas
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import ReadMode, ReplicaConfig, ReplicaReadOptions
from erm_alembic.routing.readiness import is_ready
from erm_alembic.routing.router import Router
from erm_alembic.routing.sessions.explain import explain
from erm_alembic.routing.sessions.provenance import OnStale, checked
from erm_alembic.routing.watching.monitor import HeartbeatTable, Monitor
from erm_alembic.routing.watching.state import ClusterState

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import async_sessionmaker

    from erm_alembic.routing.sessions.session import RoutingSession

__all__ = ["Cluster"]

# In seconds; a monitor without a pause would do nothing but ask.
_SHORTEST_INTERVAL = 0.01


class Cluster:
    """A primary with its replicas; `with`, for asyncio `async with`, lets go of all connections at its end, for good.

    Made by `connect_cluster` or `connect_cluster_from_config`; it also ends when neither it nor a session of it is held
    any more. Without replicas everything is the same, but that it all
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
        discovery: finds replicas while the application runs; None finds none.

    Raises:
        ConfigurationError: an address is none, or two replicas share a name.
        ValueError: `monitor_interval` is too short, or `on_stale` is none of "raise", "refetch" and "warn".
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
        if not _SHORTEST_INTERVAL <= monitor_interval < float("inf"):
            raise ValueError(f"a monitor_interval lasts {_SHORTEST_INTERVAL:g} s or longer: not {monitor_interval!r}")
        verify_replicas(replicas, ReplicaConfig)
        verify_discovery(discovery)
        pool, classifier = pool or PoolSettings(), Classifier(lambda: monitor.read_catalogs())
        primary = PrimaryNode(url, pool, engine_options)
        members = Membership(
            primary,
            replicas,
            lambda replica: ReplicaNode(
                replica,
                replica.url,
                pool,
                engine_options,
                classifier,
                known_start=lambda: monitor.state.start_of(replica.name),
            ),
            can_grow=discovery is not None,
        )
        heard_within = 4 * monitor_interval + 2.0
        reactions = Reactions(primary, lambda: (members.nodes, monitor.state), heard_within)
        monitor: Monitor = Monitor(
            lambda: primary.url.dsn(),
            {node.name: node.url.dsn for node in members.nodes},
            interval=monitor_interval,
            on_change=reactions.noticed,
            on_volatility=classifier.learn,
            heartbeat=heartbeat,
            search=None
            if discovery is None
            else partial(Search, discovery, primary.url, lambda found: members.take(found, monitor)),
        )
        if discovery is not None and discovery.finds_primary:
            primary.locate = partial(search_first, monitor)
        router = Router(members, monitor, classifier, heard_within=heard_within, fallback_budget=fallback_budget)
        self._put_together(router, members, monitor, reactions, on_stale)

    @classmethod
    def of(cls, router: Router, members: Membership, monitor: Monitor) -> Cluster:
        """A cluster of parts that were made elsewhere.

        Args:
            router: chooses for its sessions.
            members: its servers.
            monitor: is closed together with it.
        """
        cluster = cls.__new__(cls)
        cluster._put_together(router, members, monitor, None, "raise")
        return cluster

    def _put_together(
        self, router: Router, members: Membership, monitor: Monitor, reactions: Reactions | None, on_stale: OnStale
    ) -> None:
        self.router, self.monitor, self.on_stale = router, monitor, checked(on_stale)
        self._members, self._reactions = members, reactions
        begins_in_child(self)
        close_when_dropped(self, monitor, reactions, members)

    @property
    def primary(self) -> PrimaryNode:
        """The primary, with its engines."""
        return self._members.primary

    @property
    def replicas(self) -> Sequence[ReplicaNode]:
        """The replicas of this moment, with their engines."""
        return self._members.nodes

    @property
    def policies(self) -> Mapping[str, ReadMode]:
        """The named ways to read."""
        return self.router.policies.by_name

    @property
    def default_mode(self) -> ReadMode:
        """What holds where nothing else is chosen."""
        return self.router.policies.default

    @property
    def fallback_budget(self) -> FallbackBudget | None:
        """How many reads the primary takes over where replicas are missing; None sets no bound."""
        return self.router.fallback_budget

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
        self.router.policies = Policies.of(default_policy, policies)
        return self

    def writer(self) -> Engine:
        """The engine of the primary; what is committed by it counts for the requests and jobs that it is done in."""
        return self.primary.engine()

    def reader(self, options: ReplicaReadOptions | str | None = None) -> Engine:
        """An engine to read from now, for code without sessions: ask again for each unit of work.

        Whatever is sent to a replica by it runs there, text included; a write is refused by the server. What the blocks
        around have to see (`causal`, the commits of a request) holds for the moment at which it is asked for.

        Args:
            options: what the read asks, or the name of a policy; None leaves it to the innermost block that chooses,
                and takes any replica that works where there is none.

        Raises:
            NoReplicaAvailable: there is none, and the primary may not be asked instead.
            ConfigurationError: there is no policy of that name.
        """
        router, block = self.router, innermost_block()
        mode = self._mode(options or chosen_by(block) or ReplicaReadOptions())
        need = need_within(block, mode.need, router, 0.0)
        node = router.choose(need, asynchronous=False) if mode.replicas and need is not None else None
        if node is None:
            if mode.replicas:
                router.fall_back(mode, OTHER_HISTORY if need is None else NONE_FRESH)
            return self.primary.engine()
        router.count_read()
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
            policy: what the read asks, or the name of a policy; None stands for what the blocks around choose, else for
                the default policy.

        Raises:
            ConfigurationError: there is no policy of that name.
        """
        block = innermost_block()
        chosen = policy or chosen_by(block)
        mode = self.default_mode if chosen is None else self._mode(chosen)
        return explain(self.router, statement, mode, need_within(block, mode.need, self.router, 0.0))

    def objections(self, need: Need) -> Mapping[str, str]:
        """Of each replica why it cannot be taken for a read now; empty where it can.

        Args:
            need: what the read needs.
        """
        return self.router.objections(need)

    def wait_until_ready(self, timeout: Duration = "10s") -> ClusterState:
        """Wait, as at an application's start, until its first reads can go to replicas; begins to watch the servers.

        That is: until each replica has answered once, or could not be reached, and the primary has said what its
        functions do. Where the time is over before, the application can begin all the same: reads go to the primary.

        Args:
            timeout: how long to wait at most: seconds, a timedelta, or a text such as "10s".

        Returns:
            What is known of the servers then.

        Raises:
            ValueError: the timeout is negative, or is no duration.

        Example:
            >>> with Cluster("postgresql://app@db/shop") as cluster:
            ...     dict(cluster.wait_until_ready("2s").replicas)
            {}
        """
        patience = seconds(timeout)
        if not self.router.primary_only:
            wait_for(self.router.source, self._is_ready, patience)
        return self.status()

    async def async_wait_until_ready(self, timeout: Duration = "10s") -> ClusterState:
        """The same for asyncio: no thread waits.

        Args:
            timeout: how long to wait at most: seconds, a timedelta, or a text such as "10s".

        Returns:
            What is known of the servers then.

        Raises:
            ValueError: the timeout is negative, or is no duration.
        """
        patience = seconds(timeout)
        if not self.router.primary_only:
            await self.router.source.wait_in_loop(self._is_ready, patience)
        return self.status()

    def status(self) -> ClusterState:
        """What is known of the servers, at most as old as the monitor's interval."""
        if not self.router.primary_only:
            self.router.source.start()
        return self.router.source.state

    def close(self) -> None:
        """Probe nobody any more, and let go of all connections; those of asynchronous sessions want `aclose()`.

        Sessions that outlive it read from the primary.
        """
        self.monitor.close()
        if self._reactions is not None:
            self._reactions.stop()
        self._members.close()

    async def aclose(self) -> None:
        """The same for asyncio, within the loop that the connections belong to."""
        await asyncio.to_thread(self.monitor.close)
        if self._reactions is not None:
            self._reactions.stop()
        await self._members.aclose()

    def __repr__(self) -> str:
        replicas = ", ".join(node.name for node in self.replicas) or "none"
        found = " and discovered" if self._members.can_grow else ""
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
        if self._reactions is not None:
            self._reactions.begin_in_child()
        self.router.begin_in_child()
        self._members.begin_in_child()

    def _is_ready(self) -> bool:
        return is_ready(self.router, self.monitor.search)

    def _mode(self, choice: ReplicaReadOptions | ReadMode | str) -> ReadMode:
        return self.router.policies.mode_of(choice.mode if isinstance(choice, ReplicaReadOptions) else choice)
