"""Which statement a replica is sent while somebody waits for a position: the choice alone.

What PostgreSQL 19 does with `WAIT FOR` is not tested: none of that version runs here. That a wait ends in time on older
ones is tested with sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from erm_alembic.postgres.replay import wait_for_replay
from erm_alembic.routing.positions import Position, format_lsn
from erm_alembic.routing.watching.probe import Link
from erm_alembic.routing.watching.questions import ReplicaQuestion
from tests.routing.conftest import MonitorOf
from tests.routing.servers import Servers

LSN = 0x306EE20


class _Claiming:
    """A cursor of a server that claims a version, and keeps what it would be sent.

    Args:
        version: as libpq counts it.
        real: writes statements down as it would send them.
    """

    def __init__(self, version: int, real: Any) -> None:
        self.connection = SimpleNamespace(server_version=version)
        self._real = real
        self.sent: list[str] = []

    def execute(self, statement: Any) -> None:
        self.sent.append(statement.as_string(self._real))


@pytest.fixture
def real(newest_servers: Servers) -> Iterator[Any]:
    """A connection that knows how literals are written."""
    with closing(psycopg2.connect(newest_servers.east.url())) as connection:
        yield connection


def test_postgresql_19_is_asked_to_wait_by_itself(real: Any) -> None:
    """For the position to be replayed, so long and no longer, without an error at the end."""
    cursor = _Claiming(190_000, real)
    assert wait_for_replay(cursor, format_lsn(LSN), 0.2)
    assert cursor.sent == ["WAIT FOR LSN '0/306EE20' WITH (MODE 'standby_replay', TIMEOUT '200ms', NO_THROW)"]


def test_an_older_server_is_asked_nothing(real: Any) -> None:
    """It is polled, as ever."""
    cursor = _Claiming(189_999, real)
    assert not wait_for_replay(cursor, format_lsn(LSN), 0.2)
    assert cursor.sent == []


def test_a_replica_answers_though_its_server_objects_to_waiting(newest_servers: Servers, monkeypatch: Any) -> None:
    """How far it is, it says all the same; and while nobody waits, nobody is asked to."""
    asked = []

    def objects(_: Any, position: str, patience: float) -> None:
        asked.append((position, patience))
        raise errors.SyntaxError

    monkeypatch.setattr("erm_alembic.routing.watching.questions.wait_for_replay", objects)
    awaited: list[int] = []
    question = ReplicaQuestion(None, "test", lambda: min(awaited, default=None), 0.1)
    link = Link(newest_servers.east.url(), 2.0)
    try:
        assert question(link).sample.replayed
        assert asked == []
        awaited.append(LSN)
        assert question(link).sample.replayed
        assert asked == [("0/306EE20", 0.1)]
    finally:
        link.close()


def test_replicas_wait_for_the_nearest_position_that_somebody_waits_for(
    newest_servers: Servers, monitor_of: MonitorOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And for none any more when nobody does, whether it was found or not."""
    asked: set[str] = set()
    monkeypatch.setattr(
        "erm_alembic.routing.watching.questions.wait_for_replay", lambda _, position, __: asked.add(position)
    )
    monitor = monitor_of(newest_servers)

    def wait(lsn: int, find: Callable[[], object]) -> object:
        return monitor.wait_for(find, 30.0, Position(1, 1, lsn))

    def nearest_first() -> bool:
        return wait(LSN, lambda: format_lsn(LSN) in asked) is True

    assert wait(LSN + 1, lambda: format_lsn(LSN + 1) in asked and nearest_first())
    assert asked == {format_lsn(LSN), format_lsn(LSN + 1)}
    monitor.refresh()
    asked.clear()
    monitor.refresh()
    assert not asked
