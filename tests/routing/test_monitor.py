"""The monitor knows how far each replica is, on real servers, by no clock but its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from erm_alembic.errors import TargetError
from erm_alembic.postgres import replication
from erm_alembic.routing.watching.monitor import Change, Monitor
from erm_alembic.routing.watching.state import UNKNOWN, ReplicaState
from tests.routing.conftest import MonitorOf
from tests.routing.servers import EAST, PATIENCE, WEST, Servers, frozen, until

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


def test_both_replicas_become_known(servers: Servers, monitor_of: MonitorOf) -> None:
    """Before the start nothing is known; after it, who everybody is, where they are, and as of when."""
    monitor = monitor_of(servers)
    assert monitor.state is UNKNOWN
    begun(monitor)
    state = monitor.state
    assert state.primary.writable
    assert (state.primary.timeline, state.primary.problem) == (1, "")
    assert (
        str(state.primary.system)
        == servers.primary.execute("SELECT system_identifier FROM pg_control_system()")[0][0].__str__()
    )
    for replica in state.replicas.values():
        assert (replica.in_recovery, replica.timeline, replica.lag_bytes, replica.at_least) == (True, 1, 0, False)
        assert replica.fresh_as_of is not None
        assert state.taken_at is not None
        assert replica.fresh_as_of <= state.taken_at


def test_an_idle_primary_makes_nobody_late(servers: Servers, monitor_of: MonitorOf) -> None:
    """With nothing written the lag stays zero and freshness advances with every round."""
    monitor = begun(monitor_of(servers))
    for _ in range(3):
        moment = time.monotonic()
        comes(monitor, lambda moment=moment: fresh(east(monitor)) and (east(monitor).fresh_as_of or 0) > moment)
        assert east(monitor).lag_bytes == 0


def test_an_idle_primary_makes_nobody_late_who_could_not_hear_of_it(servers: Servers, monitor_of: MonitorOf) -> None:
    """Without a receiver a replica is fresh as long as it has everything: until the primary, by itself, writes."""
    monitor = begun(monitor_of(servers))
    servers.disconnect(EAST)
    moment = monitor.refresh().taken_at or 0

    def goes_on() -> bool:
        return fresh(east(monitor)) and (east(monitor).fresh_as_of or 0) > moment

    comes(monitor, lambda: goes_on() or (monitor.state.primary.lsn or 0) > (east(monitor).replay_lsn or 0))


def test_what_an_idle_primary_keeps_to_itself_makes_nobody_late(
    servers: Servers, monitor_of: MonitorOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of its log that is no commit's it would hold back for many seconds; it is made to write that out, and one
    that holds nothing back is left alone."""
    written_out: list[float] = []

    def write_out(cursor: object) -> None:
        written_out.append(time.monotonic())
        replication.write_out(cursor)

    monkeypatch.setattr("erm_alembic.routing.watching.questions.write_out", write_out)
    monitor = begun(monitor_of(servers))

    def goes_on() -> bool:
        moment = time.monotonic()
        return bool(monitor.wait_for(lambda: fresh(east(monitor)) and (east(monitor).fresh_as_of or 0) > moment, 30.0))

    servers.primary.execute("CREATE TABLE worn (id int)")
    try:
        for _ in range(5):
            servers.primary.execute("TRUNCATE worn; INSERT INTO worn SELECT generate_series(1, 220)")
            servers.primary.execute("UPDATE worn SET id = id")
            assert all(goes_on() for _ in range(3))
            assert not written_out
            # It tidies the page up as it reads, and notes that in its log.
            servers.primary.execute("BEGIN; SELECT count(*) FROM worn; ROLLBACK")
            assert goes_on()
            if written_out:
                break
            # It has written it out by itself, as it does four times a minute; not soon again.
        assert written_out
    finally:
        servers.primary.execute("DROP TABLE worn")


def test_a_dead_receiver_is_lag_as_soon_as_the_primary_writes(servers: Servers, monitor_of: MonitorOf) -> None:
    """A replica that has replayed all it received is behind all the same, further with time, and says so in bytes."""
    monitor = begun(monitor_of(servers))
    servers.disconnect(EAST)
    monitor.refresh()
    before = east(monitor).fresh_as_of
    servers.write()
    comes(monitor, lambda: east(monitor).lag and fresh(west(monitor)))
    first = east(monitor)
    assert first.lag_bytes
    assert not first.at_least
    comes(monitor, lambda: (east(monitor).lag or 0) > (first.lag or 0))
    assert east(monitor).replay_lsn == first.replay_lsn
    assert servers.east.execute("SELECT pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()")[0][0]
    assert east(monitor).fresh_as_of == first.fresh_as_of
    assert before is not None
    assert first.fresh_as_of is not None
    assert first.fresh_as_of >= before


def test_paused_replay_is_lag_until_it_is_resumed(servers: Servers, monitor_of: MonitorOf) -> None:
    """What is held back is not claimed to be there, although the replica has received it; after that it is."""
    monitor = begun(monitor_of(servers))
    servers.pause(EAST)
    servers.write()
    token = monitor.primary_position()
    comes(monitor, lambda: east(monitor).lag and fresh(west(monitor)))
    monitor.refresh()
    held = east(monitor)
    assert held.replay_lsn is not None
    assert held.replay_lsn < token.lsn
    assert held.follows and not held.problem
    servers.resume(EAST)
    comes(monitor, lambda: fresh(east(monitor)))
    assert (east(monitor).replay_lsn or 0) >= token.lsn


def test_what_was_committed_before_a_replica_is_fresh_is_seen_there(servers: Servers, monitor_of: MonitorOf) -> None:
    """A replica that is fresh as of a moment after a commit has the commit: no clock but this process's own."""
    monitor = begun(monitor_of(servers))
    servers.primary.execute("CREATE TABLE seen (id int)")
    try:
        for number in range(5):
            servers.primary.execute("INSERT INTO seen VALUES (%s)", number)
            committed = monitor.primary_position() and time.monotonic()
            comes(monitor, lambda committed=committed: (east(monitor).fresh_as_of or 0) >= committed)
            assert servers.east.execute("SELECT max(id) FROM seen") == [(number,)]
    finally:
        servers.primary.execute("DROP TABLE seen")


def test_a_frozen_standby_delays_nobody(servers: Servers, monitor_of: MonitorOf) -> None:
    """While its answer is waited for, the others are asked on; then it is unreachable, and back when it goes on."""
    monitor = begun(monitor_of(servers, timeout=1.0))
    rounds: set[float] = set()

    def noticed() -> bool:
        if west(monitor).seen_at is not None and east(monitor).reachable:
            rounds.add(west(monitor).fresh_as_of or 0)
        return not east(monitor).reachable

    with frozen(servers.east):
        comes(monitor, noticed)
        assert east(monitor).problem == "it did not answer within 1 s"
        assert len(rounds) > 2
        moment = time.monotonic()
        comes(monitor, lambda: (west(monitor).fresh_as_of or 0) > moment)
        assert not east(monitor).reachable
    comes(monitor, lambda: fresh(east(monitor)))


def test_a_frozen_primary_leaves_what_is_known_to_grow_old(servers: Servers, monitor_of: MonitorOf) -> None:
    """Without it nobody is known to be fresher than it was last asked; the replicas are asked on."""
    monitor = begun(monitor_of(servers, timeout=0.5))
    monitor.primary_position()
    with frozen(servers.primary):
        comes(monitor, lambda: not monitor.state.primary.reachable)
        last_asked, moment = monitor.state.primary.seen_at, time.monotonic()
        assert last_asked is not None
        comes(monitor, lambda: (east(monitor).seen_at or 0) > moment and (west(monitor).seen_at or 0) > moment)
        for replica in (east(monitor), west(monitor)):
            assert replica.reachable
            assert replica.fresh_as_of is not None
            assert replica.fresh_as_of <= last_asked
        assert monitor.state.primary.problem == "it did not answer within 0.5 s"
        # On a connection that was open before.
        with pytest.raises(TargetError, match=r"asked for its position: it did not answer within 0\.5 s\."):
            monitor.primary_position()
    comes(monitor, lambda: monitor.state.primary.reachable)
    begun(monitor)


def test_a_restarted_primary_is_the_same_one(servers: Servers, monitor_of: MonitorOf) -> None:
    """It is missed while it is away; its replicas, which never left its history, are fresh again after it."""
    changes: list[Change] = []
    monitor = begun(monitor_of(servers, on_change=changes.append))
    servers.primary.stop()
    comes(monitor, lambda: not monitor.state.primary.reachable)
    last = monitor.state.primary
    servers.primary.start()
    comes(monitor, lambda: monitor.state.primary.reachable)
    assert (monitor.state.primary.system, monitor.state.primary.timeline) == (last.system, last.timeline)
    begun(monitor)
    assert [(change.what, change.now) for change in changes if change.replica is None] == [
        ("reachable", True),
        ("reachable", False),
        ("reachable", True),
    ]


def test_a_standby_that_is_stopped_and_started_is_back(servers: Servers, monitor_of: MonitorOf) -> None:
    """Its end and its return are each noticed once, and the log has one line of each."""
    changes: list[Change] = []
    monitor = begun(monitor_of(servers, on_change=changes.append))
    changes.clear()
    servers.east.stop()
    comes(monitor, lambda: not east(monitor).reachable)
    servers.east.start()
    comes(monitor, lambda: fresh(east(monitor)))
    assert [(change.replica, change.what, change.now) for change in changes] == [
        (EAST, "reachable", False),
        (EAST, "reachable", True),
    ]


def test_a_connection_that_was_ended_is_no_news(servers: Servers, monitor_of: MonitorOf) -> None:
    """Whoever ends the monitor's session has not ended the server: it connects again, and nobody is told."""
    changes: list[Change] = []
    monitor = begun(monitor_of(servers, on_change=changes.append))
    changes.clear()
    for server in (servers.primary, servers.east):
        assert server.execute(f"SELECT pg_terminate_backend(pid) FROM ({OURS}) ours")
    moment = time.monotonic()
    comes(monitor, lambda: (east(monitor).fresh_as_of or 0) > moment)
    assert changes == []


def test_a_failover_makes_a_new_history(fresh_servers: Servers, monitor_of: MonitorOf) -> None:
    """The address of several hosts leads to the promoted standby; one that follows it is fresh, one that has what the
    old primary alone had written never is, whatever it says of its own position."""
    both = f"{fresh_servers.primary.socket_dir},{fresh_servers.east.socket_dir}"
    address = f"postgresql://postgres@/postgres?host={both}&target_session_attrs=read-write".replace("/tmp", "%2Ftmp")
    changes: list[Change] = []
    monitor = monitor_of(fresh_servers, primary=lambda: address, on_change=changes.append)
    begun(monitor)
    before = monitor.primary_position()

    # What only one standby has received is lost with the primary.
    fresh_servers.east.stop()
    fresh_servers.write()
    fresh_servers.catch_up(WEST)
    fresh_servers.primary.stop("immediate")
    fresh_servers.east.start()
    fresh_servers.east.promote()

    comes(monitor, lambda: monitor.state.primary.timeline == 2)
    assert monitor.state.primary.writable
    until(lambda: (None, "timeline", 2) in [(change.replica, change.what, change.now) for change in changes])
    moment = time.monotonic()
    fresh_servers.follow(WEST, fresh_servers.east)
    comes(monitor, lambda: (west(monitor).seen_at or 0) > moment)
    parted = west(monitor)
    assert not parted.follows
    assert parted.fresh_as_of is None
    assert parted.problem == "it follows timeline 1, and the primary writes timeline 2"
    after = monitor.primary_position()
    assert (after.system, after.timeline) == (before.system, 2)

    # The new primary writes past the place where the other one stands: it is still not the same history.
    fresh_servers.east.execute("SELECT pg_switch_wal()")
    moment = time.monotonic()
    comes(monitor, lambda: (monitor.state.primary.seen_at or 0) > moment and (west(monitor).seen_at or 0) > moment)
    assert (west(monitor).replay_lsn or 0) < (monitor.state.primary.lsn or 0)
    assert not west(monitor).follows


def test_a_promoted_standby_is_not_read_from_and_leads_the_others_when_it_is_the_primary(
    fresh_servers: Servers, monitor_of: MonitorOf
) -> None:
    """It answers, but has left the primary's history. When the address leads to it, the standby that follows it to
    its timeline is fresh again."""
    address = {"primary": fresh_servers.primary}
    changes: list[Change] = []
    monitor = begun(monitor_of(fresh_servers, primary=lambda: address["primary"].url(), on_change=changes.append))
    # So that nothing of the old primary's end, which the promoted one does not have, reaches the other.
    fresh_servers.disconnect(WEST)
    fresh_servers.catch_up(EAST)
    fresh_servers.east.promote()
    comes(monitor, lambda: east(monitor).reachable and not east(monitor).in_recovery)
    promoted = east(monitor)
    assert not promoted.follows
    assert promoted.fresh_as_of is None
    assert promoted.problem == "it is not a standby, or no longer one"
    until(lambda: (EAST, "in_recovery", False) in [(change.replica, change.what, change.now) for change in changes])

    fresh_servers.primary.stop()
    fresh_servers.follow(WEST, fresh_servers.east)
    address["primary"] = fresh_servers.east
    comes(monitor, lambda: monitor.state.primary.timeline == 2 and fresh(west(monitor)))
    assert west(monitor).timeline == 2
    until(lambda: (None, "timeline", 2) in [(change.replica, change.what, change.now) for change in changes])


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
