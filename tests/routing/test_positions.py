"""Positions in the log: the primary's, and the same one as a replica that has everything states it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erm_alembic.postgres.replication import ServerSample
from erm_alembic.routing.positions import format_lsn, normalised, parse_lsn
from erm_alembic.routing.watching.picture import position
from tests.routing.conftest import MonitorOf
from tests.routing.servers import Servers, until


@given(st.integers(0, 2**64 - 1))
def test_a_position_is_read_as_it_was_written(lsn: int) -> None:
    """The text has two numbers without leading zeros, as the server writes it."""
    assert parse_lsn(format_lsn(lsn)) == lsn


@pytest.mark.parametrize("text", ["", "/", "0", "0/", "x/1", "1/2/3"])
def test_other_texts_are_no_positions(text: str) -> None:
    """What is not two numbers with a slash between is refused."""
    with pytest.raises(ValueError, match="invalid literal"):
        parse_lsn(text)


@pytest.mark.parametrize("segment", [1024**2, 16 * 1024**2, 1024**3])
@pytest.mark.parametrize("page", [4096, 8192, 65536])
def test_only_the_header_of_an_empty_page_is_left_out(page: int, segment: int) -> None:
    """Right behind a header nothing is written yet; anywhere else the position stands."""
    start = 7 * segment
    assert normalised(start + 40, page=page, segment=segment) == start
    assert normalised(start + page + 24, page=page, segment=segment) == start + page
    for untouched in (start, start + 24, start + 48, start + page, start + page + 32, start + page + 40):
        assert normalised(untouched, page=page, segment=segment) == untouched


def test_a_server_with_other_sizes_is_normalised_by_them() -> None:
    """The sizes are the server's own; where it does not say, they are the usual ones."""
    sample = ServerSample(in_recovery=False, written=3 * 1024**2 + 40, page=8192, segment=1024**2)
    assert position(sample) == 3 * 1024**2
    assert position(ServerSample(in_recovery=False, written=3 * 1024**2 + 40)) == 3 * 1024**2 + 40
    assert position(ServerSample(in_recovery=True)) is None


def test_after_a_switch_of_segments_an_idle_primary_has_caught_up_replicas(
    servers: Servers, monitor_of: MonitorOf
) -> None:
    """The insert position stands behind the header of a segment that holds nothing; the replicas still have it all."""
    monitor = monitor_of(servers)
    servers.write()
    servers.primary.execute("SELECT pg_switch_wal()")

    def caught_up_in_the_new_segment() -> bool:
        state = monitor.state
        return state.primary.lsn is not None and all(
            replica.lag == 0 and replica.lag_bytes == 0 and replica.fresh_as_of == state.primary.seen_at
            for replica in state.replicas.values()
        )

    assert monitor.wait_for(caught_up_in_the_new_segment, 30)


def test_a_token_is_reached_by_a_replica_that_has_everything(servers: Servers, monitor_of: MonitorOf) -> None:
    """Wherever a commit ends, the position after it is one that a caught-up replica states too."""
    monitor = monitor_of(servers)
    for size in (1, 8000, 8192, 20_000):
        servers.primary.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', %s))", size)
        servers.primary.execute("SELECT pg_switch_wal()")
        token = monitor.primary_position()
        for standby in servers.standbys.values():
            until(
                lambda standby=standby, token=token: standby.execute(
                    "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", format_lsn(token.lsn)
                )[0][0]
            )
