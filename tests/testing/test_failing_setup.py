"""A fixture that cannot be set up leaves nothing behind."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest

from erm_alembic.errors import ServerError, TargetError
from erm_alembic.testing import past
from erm_alembic.testing.lagging import LaggingReplica
from erm_alembic.testing.standby import StreamingStandby
from tests.support.databases import Database


def test_a_standby_that_does_not_catch_up_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has what would stop them."""

    def late(standby: StreamingStandby) -> None:
        standby.cluster.monitor.start()
        raise ServerError("The standby did not catch up.")

    monkeypatch.setattr(StreamingStandby, "wait", late)
    server = SimpleNamespace(dsn=lambda name: f"postgresql://app@/{name}?host=/nonexistent")
    before = set(threading.enumerate())
    with pytest.raises(ServerError):
        StreamingStandby(SimpleNamespace(primary=server, standby=server), "nobody")  # type: ignore[arg-type]
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("failing", ["functions_and_views", "read_catalogs"])
def test_a_lagging_replica_that_cannot_be_made_holds_no_snapshot(
    failing: str, one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction would hold up the vacuum of the whole server."""
    opened: list[Any] = []
    connect = psycopg2.connect

    def remembered(*arguments: Any, **options: Any) -> Any:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    def fail(*_: object) -> None:
        raise psycopg2.OperationalError("the server is gone")

    monkeypatch.setattr("psycopg2.connect", remembered)
    if failing == "functions_and_views":
        monkeypatch.setattr(past, failing, fail)
    else:
        monkeypatch.setattr("erm_alembic.testing.simulated.Simulation.read_catalogs", fail)
    with pytest.raises((TargetError, psycopg2.OperationalError)):
        LaggingReplica(one_database.url)
    assert opened and all(each.closed for each in opened)
