"""Sessions whose reads go to replicas that are fresh enough.

    >>> from erm_alembic.routing import ReplicaConfig, connect_cluster, replica_read
    >>> cluster = connect_cluster(
    ...     "postgresql://app@db/shop", replicas=[ReplicaConfig("east", "postgresql://app@east/shop")]
    ... )
    >>> Session = cluster.sessionmaker()
    >>> with replica_read(max_lag="5s"):
    ...     pass  # what is read with Session() here may come from `east`
    >>> cluster.close()

Importing this imports neither Alembic nor the command line.
"""

from __future__ import annotations

from erm_alembic.errors import NoReplicaAvailable, StaleReplicaWrite, WritePrevented
from erm_alembic.routing.blocks import causal, primary, replica_policy, replica_read
from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.configured import connect_cluster_from_config
from erm_alembic.routing.deciding.budget import FallbackBudget
from erm_alembic.routing.deciding.routes import Explanation, Route
from erm_alembic.routing.discovery import DnsReplicas, PatroniReplicas
from erm_alembic.routing.from_addresses import connect_cluster
from erm_alembic.routing.options import ReplicaConfig, ReplicaReadOptions
from erm_alembic.routing.sessions.session import RoutingSession
from erm_alembic.routing.watching.monitor import HeartbeatTable

__all__ = [
    "Cluster",
    "DnsReplicas",
    "Explanation",
    "FallbackBudget",
    "HeartbeatTable",
    "NoReplicaAvailable",
    "PatroniReplicas",
    "ReplicaConfig",
    "ReplicaReadOptions",
    "Route",
    "RoutingSession",
    "StaleReplicaWrite",
    "WritePrevented",
    "causal",
    "connect_cluster",
    "connect_cluster_from_config",
    "primary",
    "replica_policy",
    "replica_read",
]
