"""A cluster from addresses, as an application writes them down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.deciding.budget import FallbackBudget
from erm_alembic.routing.discovery import Discovery
from erm_alembic.routing.limits import Duration, seconds
from erm_alembic.routing.options import ReplicaConfig, pool_settings
from erm_alembic.routing.sessions.provenance import OnStale
from erm_alembic.routing.watching.monitor import HeartbeatTable

__all__ = ["connect_cluster"]


def connect_cluster(
    url: str,
    replicas: Sequence[ReplicaConfig] = (),
    *,
    monitor_interval: Duration = 1.0,
    fallback_budget: FallbackBudget | None = None,
    heartbeat: HeartbeatTable | None = None,
    on_stale: OnStale = "raise",
    discovery: Discovery | None = None,
    engine_options: Mapping[str, Any] = MappingProxyType({}),
    **pool: Any,
) -> Cluster:
    """A cluster from addresses. Nothing is connected yet.

    Args:
        url: the primary's address; several hosts and `target_session_attrs` are honoured.
        replicas: its streaming standbys; none lets everything go to the primary.
        monitor_interval: how often the servers are asked how far they are. Answers can be known to be no staler than
            about this, so it should be a fraction of the smallest `max_lag` in use.
        fallback_budget: how many reads the primary takes over where replicas are missing; None sets no bound.
        heartbeat: a table to measure replicas by that do not state their position; None writes nothing anywhere.
        on_stale: what its sessions do with an object that was read stale and changed: "raise", "refetch" or "warn".
        discovery: finds replicas while the application runs: `DnsReplicas` or `PatroniReplicas`; None finds none.
        engine_options: what else `sqlalchemy.create_engine` is told of each server.
        pool: as in erm.yaml: `max_conns`, `min_conns`, `max_conn_lifetime`, `max_conn_idle_time`,
            `health_check_period`, the durations as seconds, timedelta or "45m". All hold for psycopg2,
            `max_conns` and `max_conn_lifetime` for other drivers too.

    Raises:
        ConfigurationError: an address is none, two replicas share a name, or a setting of the pool is none.
        ValueError: a duration, or `on_stale`, is none.

    Example:
        >>> cluster = connect_cluster(
        ...     "postgresql://app@db/shop",
        ...     replicas=[ReplicaConfig("east", "postgresql://app@east/shop", max_follower_lag="15s")],
        ...     max_conns=20,
        ... )
        >>> Session = cluster.sessionmaker()
        >>> cluster.close()
    """
    return Cluster(
        url,
        replicas,
        pool=pool_settings(pool),
        engine_options=engine_options,
        monitor_interval=seconds(monitor_interval),
        fallback_budget=fallback_budget,
        heartbeat=heartbeat,
        on_stale=on_stale,
        discovery=discovery,
    )
