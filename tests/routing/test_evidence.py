"""What the doctor gathers while servers come and go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from erm_alembic.doctor.evidence import _pool_modes
from erm_alembic.routing import connect_cluster


def test_a_replica_may_go_while_the_doctor_looks() -> None:
    """One that was discovered and is away by now has no address to ask, and is no error of the doctor's."""
    gone = SimpleNamespace(name="gone", facts=SimpleNamespace(pooled=True))
    overview: Any = SimpleNamespace(primary=SimpleNamespace(facts=None), replicas=(gone,))
    with connect_cluster("postgresql://app@/nobody?host=/nonexistent") as cluster:
        assert _pool_modes(overview, cluster) == {}
