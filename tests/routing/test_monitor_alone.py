"""The monitor itself: its threads and processes, whom it is told by, the positions that it gives."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from erm_alembic.errors import TargetError
from erm_alembic.routing.watching.monitor import Change
from erm_alembic.routing.watching.state import UNKNOWN, ReplicaState
from tests.routing.conftest import MonitorOf
from tests.routing.servers import EAST, PATIENCE, WEST, Servers, until
from tests.routing.watched import OURS, begun, comes, east, fresh, west


def test_a_child_process_begins_anew(newest_servers: Servers, monitor_of: MonitorOf) -> None:
    """A fork knows nothing until it is started there, leaves the parent's connections alone, and gets its own."""
    others = _sockets()
    monitor = begun(monitor_of(newest_servers))
    monitor.primary_position()
    parents = _sockets() - others
    assert parents
    before = sorted(newest_servers.primary.execute(OURS))
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            known = (monitor.state is UNKNOWN, monitor.running, bool(_sockets() & parents))
            monitor.start()
            seen = bool(monitor.wait_for(lambda: fresh(east(monitor)), PATIENCE))
            position = monitor.primary_position().lsn
            monitor.stop()
            os.write(writing, json.dumps([*known, seen, position > 0]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        assert json.loads(said.read()) == [True, False, False, True, True]
    os.waitpid(child, 0)
    moment = time.monotonic()
    comes(monitor, lambda: (east(monitor).fresh_as_of or 0) > moment)
    until(lambda: sorted(newest_servers.primary.execute(OURS)) == before)


def test_a_stopped_monitor_leaves_nothing_behind(newest_servers: Servers, monitor_of: MonitorOf) -> None:
    """Its threads end, its sessions end, and it knows nothing; it can be started again, and twice is once."""
    monitor = begun(monitor_of(newest_servers))
    monitor.primary_position()
    running = _threads()
    monitor.start()
    assert _threads() == running
    monitor.stop()
    assert _threads() == set()
    assert monitor.state is UNKNOWN
    assert monitor.wait_for(lambda: False, 0) is None
    monitor.stop()
    for server in (newest_servers.primary, newest_servers.east):
        until(lambda server=server: not server.execute(OURS))
    begun(monitor)


def test_a_provider_that_blocks_or_fails_delays_nobody(newest_servers: Servers, monitor_of: MonitorOf) -> None:
    """A secret that does not come keeps one server unknown, and the others' news goes on; one that cannot be had is
    the server's problem."""
    gate = threading.Event()

    def slow() -> str:
        gate.wait(PATIENCE)
        return newest_servers.east.url()

    def broken() -> str:
        raise LookupError("no such secret")

    replicas = {EAST: slow, WEST: newest_servers.west.url, "north": broken}
    monitor = monitor_of(newest_servers, replicas=replicas)
    comes(monitor, lambda: fresh(west(monitor)) and monitor.state.replicas["north"].problem == "no such secret")
    assert east(monitor) == ReplicaState(EAST)
    gate.set()
    comes(monitor, lambda: fresh(east(monitor)))


def test_no_password_is_told(
    newest_servers: Servers, monitor_of: MonitorOf, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither what the state says nor the log has the address's password, also where libpq would quote it."""
    changes: list[Change] = []
    replicas = {
        EAST: lambda: f"postgresql://app:{secret}@/postgres?host=/nowhere",
        WEST: lambda: f"host=/nowhere port={secret} password={secret}",
        "north": lambda: f"postgresql://app:{secret}%@nowhere/postgres",
        "south": lambda: f"password='{secret}",
    }
    with caplog.at_level(logging.INFO, "erm_alembic.routing"):
        monitor = monitor_of(newest_servers, replicas=replicas, on_change=changes.append)
        comes(monitor, lambda: len(changes) == 5)
    said = [str(monitor.state), *map(str, changes), caplog.text]
    assert not any(secret in text for text in said)
    assert "replica 'east' is not reachable" in caplog.text
    assert "replica 'west' is not reachable" in caplog.text
    assert monitor.state.replicas["north"].problem == "its address is none that libpq understands"
    assert monitor.state.replicas["south"].problem == "its address is none that libpq understands"


def test_a_listener_that_fails_is_its_own_problem(newest_servers: Servers, monitor_of: MonitorOf) -> None:
    """The monitor goes on, and the log says what happened."""

    def fail(change: Change) -> None:
        raise RuntimeError(change.what)

    begun(monitor_of(newest_servers, on_change=fail))


def test_a_position_covers_what_was_committed_before(servers: Servers, monitor_of: MonitorOf) -> None:
    """Also by many at once, with commits that wait for no disk, and before the monitor was started."""
    monitor = monitor_of(servers)
    found: list[bool] = []

    def commit_and_ask() -> None:
        for _ in range(5):
            servers.primary.execute("SET synchronous_commit = off; SELECT pg_logical_emit_message(true, 'test', 'x')")
            token = monitor.primary_position()
            found.append(token.timeline == 1 and token.lsn > 0)

    threads = [threading.Thread(target=commit_and_ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 20
    assert not monitor.running


def test_only_a_primary_gives_a_position(newest_servers: Servers, monitor_of: MonitorOf) -> None:
    """A standby, and a server that cannot be reached, are errors, not a wrong token."""
    monitor = monitor_of(newest_servers, primary=newest_servers.east.url)
    with pytest.raises(TargetError, match="The primary is in recovery: it is a standby"):
        monitor.primary_position()
    unreachable = monitor_of(newest_servers, primary=lambda: "host=/nowhere")
    with pytest.raises(TargetError, match="The primary cannot be asked for its position"):
        unreachable.primary_position()


def test_a_standby_is_no_primary(newest_servers: Servers, monitor_of: MonitorOf) -> None:
    """Where the primary's address leads to a standby, it is not writable, and no replica is measured by it."""
    monitor = monitor_of(newest_servers, primary=newest_servers.east.url, replicas={WEST: newest_servers.west.url})
    comes(monitor, lambda: monitor.state.primary.reachable and west(monitor).reachable)
    assert not monitor.state.primary.writable
    assert monitor.state.primary.problem == "it is in recovery: a standby, not a primary"
    assert not west(monitor).follows
    assert west(monitor).problem == "the primary is not known yet"


def _threads() -> set[str]:
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith("erm-routing")}
    # A process keeps those that ask for tokens in the name of tasks, whatever its monitors.
    return {name for name in names if not name.startswith("erm-routing position")}


def _sockets() -> set[str]:
    """The sockets that this process has open, by what the system calls them."""
    found = set()
    for number in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(number.readlink()))
    return {name for name in found if name.startswith("socket:")}
