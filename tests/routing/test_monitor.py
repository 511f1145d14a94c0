"""The monitor knows how far each replica is, on real servers, by no clock but its own."""

from __future__ import annotations

import time

import pytest

from erm_alembic.errors import TargetError
from erm_alembic.postgres import replication
from erm_alembic.routing.watching.monitor import Change
from erm_alembic.routing.watching.state import UNKNOWN
from tests.routing.conftest import MonitorOf
from tests.routing.servers import EAST, WEST, Servers, frozen, until
from tests.routing.watched import OURS, begun, comes, east, fresh, west


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
