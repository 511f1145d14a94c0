"""Where a cluster's replicas are found while it runs: one way a file."""

from __future__ import annotations

from erm_alembic.routing.discovery.dns import DnsReplicas
from erm_alembic.routing.discovery.found import Discovery, DiscoveryFailed, Found
from erm_alembic.routing.discovery.patroni import PatroniReplicas

__all__ = ["Discovery", "DiscoveryFailed", "DnsReplicas", "Found", "PatroniReplicas"]
