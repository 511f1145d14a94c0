"""What the monitor knows with fewer rights, and where a server does not state its position: by a heartbeat."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from erm_alembic.routing.watching.monitor import HeartbeatTable, Monitor
from tests.routing.conftest import MonitorOf
from tests.routing.servers import EAST, PATIENCE, Servers
from tests.support.servers import PrivateServer

# Each needs its quotes: a name is never taken apart.
SCHEMA, TABLE = 'heart"; DROP', "Beat.% '1'"


@dataclass(frozen=True)
class Place:
    """A database of the test's own, and a role that may do nothing but connect."""

    servers: Servers
    database: str
    role: str

    def address(self, server: PrivateServer) -> str:
        return server.url(self.database).replace("postgres@", f"{self.role}@")

    def on_primary(self, statement: str) -> None:
        self.servers.primary.execute(statement, dbname=self.database)

    def monitor(self, monitor_of: MonitorOf, **options: object) -> Monitor:
        return monitor_of(
            self.servers,
            primary=lambda: self.address(self.servers.primary),
            replicas={EAST: lambda: self.address(self.servers.east)},
            **options,
        )


@pytest.fixture
def place(servers: Servers) -> Iterator[Place]:
    """That database and role, on all servers."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    servers.primary.execute(f"CREATE ROLE {name} LOGIN")
    servers.primary.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    servers.catch_up()
    yield Place(servers, name, name)
    servers.primary.execute(f"DROP DATABASE {name} WITH (FORCE)")
    servers.primary.execute(f"DROP ROLE {name}")


def comes(monitor: Monitor, **expected: object) -> None:
    """Wait until so much is known of the replica."""

    def known() -> bool:
        replica = monitor.state.replicas.get(EAST)
        return replica is not None and all(getattr(replica, name) == value for name, value in expected.items())

    assert monitor.wait_for(known, PATIENCE), monitor.state


def test_a_role_without_rights_sees_lag_and_timeline(place: Place, monitor_of: MonitorOf) -> None:
    """Neither a superuser nor pg_monitor is needed, and what is volatile is known as well."""
    monitor = place.monitor(monitor_of, catalogs=True)
    comes(monitor, follows=True, timeline=1, lag=0.0, lag_bytes=0, problem="")
    assert monitor.primary_position().timeline == 1
    assert monitor.wait_for(lambda: monitor.volatility, PATIENCE)
    place.servers.pause(EAST)
    place.servers.write()
    monitor.refresh()
    assert monitor.state.replicas[EAST].lag_bytes
    assert not monitor.state.replicas[EAST].problem


def test_without_the_clusters_identity_nobody_is_known_to_follow(place: Place, monitor_of: MonitorOf) -> None:
    """A position says nothing without the history that it is a position of; the problem says what is missing."""
    place.on_primary("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    place.servers.catch_up()
    monitor = place.monitor(monitor_of)
    comes(
        monitor,
        reachable=True,
        follows=False,
        fresh_as_of=None,
        problem="whom it follows is not known: its role may not read pg_control_system() and pg_stat_wal_receiver",
    )
    assert monitor.state.primary.writable
    assert monitor.state.primary.system is None


def test_a_right_that_is_taken_away_meanwhile_is_noticed(place: Place, monitor_of: MonitorOf) -> None:
    """The connection stays, and what is known becomes less, not wrong; what is granted is known again."""
    monitor = place.monitor(monitor_of)
    comes(monitor, follows=True, lag=0.0)
    place.on_primary("REVOKE EXECUTE ON FUNCTION pg_last_wal_replay_lsn() FROM PUBLIC")
    comes(
        monitor,
        reachable=True,
        follows=True,
        replay_lsn=None,
        lag=None,
        fresh_as_of=None,
        problem="how far it has replayed is not known",
    )


def test_a_heartbeat_measures_a_replica_that_states_no_position(place: Place, monitor_of: MonitorOf) -> None:
    """It is fresh as of the heartbeat that it has: held back while replay is paused, advancing when it goes on."""
    for function in ("pg_last_wal_replay_lsn", "pg_control_system", "pg_current_wal_insert_lsn"):
        place.on_primary(f"REVOKE EXECUTE ON FUNCTION {function}() FROM PUBLIC")
    place.on_primary(f"GRANT CREATE ON DATABASE {place.database} TO {place.role}")
    place.servers.catch_up()
    monitor = place.monitor(monitor_of, heartbeat=HeartbeatTable(SCHEMA, TABLE))
    comes(monitor, follows=True, replay_lsn=None, lag_bytes=None, problem="")

    def as_of() -> float:
        return monitor.state.replicas[EAST].fresh_as_of or 0

    def beats_after(moment: float) -> bool:
        return (monitor.state.primary.seen_at or 0) > moment and as_of() > moment

    first = monitor.state.taken_at
    assert first is not None
    assert monitor.wait_for(lambda: beats_after(first), PATIENCE)
    place.servers.pause(EAST)
    monitor.refresh()
    held = monitor.refresh().replicas[EAST]
    assert monitor.wait_for(lambda: (monitor.state.replicas[EAST].lag or 0) > (held.lag or 0) > 0, PATIENCE)
    assert as_of() == held.fresh_as_of
    assert monitor.state.replicas[EAST].follows
    place.servers.resume(EAST)
    moment = monitor.state.taken_at
    assert moment is not None
    assert monitor.wait_for(lambda: beats_after(moment), PATIENCE)


def test_a_heartbeat_that_cannot_be_written_is_told(place: Place, monitor_of: MonitorOf) -> None:
    """Without the right to write, the problem says so in the server's words."""
    place.on_primary("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    place.on_primary("REVOKE EXECUTE ON FUNCTION pg_last_wal_replay_lsn() FROM PUBLIC")
    place.servers.catch_up()
    monitor = place.monitor(monitor_of, heartbeat=HeartbeatTable("nowhere"))
    comes(
        monitor,
        reachable=True,
        fresh_as_of=None,
        problem=f"no heartbeat can be written: permission denied for database {place.database}",
    )


def test_rows_of_processes_that_ended_do_not_stay(place: Place, monitor_of: MonitorOf) -> None:
    """Each process has its own row; a new one removes those that nobody has written for a day."""
    place.on_primary(f"GRANT CREATE ON DATABASE {place.database} TO {place.role}")
    table = '"heart""; DROP"."Beat.% \'1\'"'
    for _ in range(2):
        monitor = place.monitor(monitor_of, heartbeat=HeartbeatTable(SCHEMA, TABLE))
        assert monitor.wait_for(lambda monitor=monitor: monitor.refresh().primary.reachable, PATIENCE)
        monitor.stop()
    writers = f"SELECT count(*) FROM {table}"
    assert place.servers.primary.execute(writers, dbname=place.database) == [(2,)]
    place.on_primary(f"UPDATE {table} SET at = at - interval '25 hours'")
    monitor = place.monitor(monitor_of, heartbeat=HeartbeatTable(SCHEMA, TABLE))
    assert monitor.wait_for(lambda: monitor.refresh().primary.reachable, PATIENCE)
    assert place.servers.primary.execute(writers, dbname=place.database) == [(1,)]
