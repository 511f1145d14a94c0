"""A token's position where nobody watches the servers: the question is given up all the same."""

from __future__ import annotations

import threading

import pytest

from erm_alembic.errors import TargetError
from tests.routing.conftest import MonitorOf
from tests.routing.servers import PATIENCE, Servers, frozen


@pytest.mark.parametrize("known", [True, False], ids=["over a spare connection", "over a new one"])
def test_a_primary_that_stands_still_is_not_waited_for(
    known: bool, newest_servers: Servers, monitor_of: MonitorOf
) -> None:
    """Before anybody has read from a replica, in a cluster without any, and after its end."""
    monitor = monitor_of(newest_servers, timeout=0.2)
    if known:
        assert monitor.primary_position().lsn > 0
    found: list[BaseException] = []

    def ask() -> None:
        try:
            monitor.primary_position()
        except TargetError as error:
            found.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    with frozen(newest_servers.primary):
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert len(found) == 1
    assert not monitor.running
    assert monitor.primary_position().lsn > 0
