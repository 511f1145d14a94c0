"""Numbers that nobody can mean are refused where they are written, or do no harm."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from erm_alembic.routing import ReplicaConfig, connect_cluster
from tests.routing.applications import User, application, route
from tests.routing.conftest import MonitorOf
from tests.routing.servers import Servers


@pytest.mark.parametrize("interval", [0, 0.001, float("inf"), float("nan")])
def test_an_interval_without_a_pause_is_refused(interval: float) -> None:
    """It would take a processor for itself."""
    with pytest.raises(ValueError, match=r"monitor_interval|duration"):
        connect_cluster("postgresql://x@/x", monitor_interval=interval)


def test_a_weight_without_an_end_is_refused() -> None:
    """No share can be taken of it."""
    with pytest.raises(ValueError, match="weight"):
        ReplicaConfig("east", "postgresql://x@/x", weight=float("inf"))


def test_a_wait_longer_than_a_system_can_is_as_long_as_it_takes(newest_servers: Servers, monitor_of: MonitorOf) -> None:
    """It is ended by what it waits for."""
    monitor = monitor_of(newest_servers)
    assert monitor.wait_for(lambda: len(monitor.state.replicas) == 2, 1e11)


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_a_lost_stream_lets_no_session_fail_at_its_end(driver: str, newest_servers: Servers) -> None:
    """Whoever leaves a block early has not asked for the rest."""
    with application(newest_servers, driver) as app:
        app.on_primary("INSERT INTO users SELECT n, 'x', 1 FROM generate_series(10, 2000) n")
        with app.cluster() as cluster:
            with cluster.sessionmaker(read=True)() as session:
                rows = session.execute(sa.select(User.id).execution_options(yield_per=10))
                next(rows)
                app.servers.standbys[route(session)].execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", app.dbname
                )
            with cluster.sessionmaker()() as session:
                assert session.scalar(sa.select(sa.func.count()).select_from(User)) == 1992
