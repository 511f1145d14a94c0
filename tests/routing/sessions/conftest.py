"""An application whose cluster has policies, on the driver that erm itself uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from erm_alembic.routing import (
    Cluster,
    ReplicaReadOptions,
)
from tests.routing.applications import Application, application
from tests.routing.servers import Servers


@pytest.fixture
def app(newest_servers: Servers) -> Iterator[Application]:
    """An application on the driver that erm itself uses."""
    with application(newest_servers, "psycopg2") as app:
        yield app


@pytest.fixture
def cluster(app: Application) -> Iterator[Cluster]:
    """Its cluster, with both replicas fresh and two policies."""
    with app.cluster() as cluster:
        policies = {
            "reporting": ReplicaReadOptions(max_lag="20s"),
            "critical-read": ReplicaReadOptions(max_lag="5s", disable_fallback=True),
            "never": None,
        }
        yield cluster.use_replica_policies(None, policies)
