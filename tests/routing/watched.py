"""What the tests of the monitor share: two replicas, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable

from erm_alembic.routing.watching.monitor import Monitor
from erm_alembic.routing.watching.state import ReplicaState
from tests.routing.servers import EAST, PATIENCE, WEST

OURS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'erm routing' AND pid <> pg_backend_pid()"


def east(monitor: Monitor) -> ReplicaState:
    """What is known of the replica that a test is about."""
    return monitor.state.replicas.get(EAST, ReplicaState(EAST))


def west(monitor: Monitor) -> ReplicaState:
    """What is known of the other one, which nothing happens to."""
    return monitor.state.replicas.get(WEST, ReplicaState(WEST))


def fresh(replica: ReplicaState) -> bool:
    """Whether a replica has everything that the monitor knows of."""
    return replica.reachable and replica.follows and replica.lag == 0 and not replica.problem


def comes(monitor: Monitor, condition: Callable[[], object]) -> None:
    """Wait until something is known."""
    assert monitor.wait_for(condition, PATIENCE), monitor.state


def begun(monitor: Monitor) -> Monitor:
    """A monitor that knows of both replicas that they are fresh."""
    comes(monitor, lambda: fresh(east(monitor)) and fresh(west(monitor)))
    return monitor
