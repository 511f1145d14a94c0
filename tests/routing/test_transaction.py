"""Where a transaction is, from one transition to the next: without servers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from erm_alembic.config.settings import PoolSettings
from erm_alembic.routing.connections.nodes import ReplicaNode
from erm_alembic.routing.deciding.classify import Classifier
from erm_alembic.routing.deciding.reasons import Reason, Why
from erm_alembic.routing.deciding.routes import Decision
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import ReadMode, ReplicaConfig
from erm_alembic.routing.sessions.transaction import RoutedTransaction

READ, WRITE = Reason(Why.PURE_READ), Reason(Why.NOT_A_READ, "it writes")
EAST = ReplicaNode(ReplicaConfig("east", "postgresql://x@/y"), "postgresql://x@/y", PoolSettings(), {}, Classifier())
SNAPSHOT, PLAIN = ReadMode(snapshot=True), ReadMode()


@pytest.fixture
def reading() -> RoutedTransaction:
    """One that reads from a replica."""
    routed = RoutedTransaction()
    routed.read_from(Session(), EAST, sa.create_engine("sqlite://"), READ)
    return routed


def test_it_begins_nowhere() -> None:
    """Nothing was decided, and nothing is a replica's."""
    routed = RoutedTransaction()
    assert (routed.pinned, routed.replica, routed.decision, routed.loads_from_replica) == (False, None, None, False)


def test_it_stays_on_the_primary_once_it_is_there(reading: RoutedTransaction) -> None:
    """What it loaded from the replica before stays the replica's."""
    reading.pin(WRITE, wrote=True)
    assert reading.pinned and reading.replica is None and reading.kept is None
    assert reading.decision == Decision("primary", False, WRITE)
    assert reading.sent.wrote and reading.loads_from_replica


def test_it_avoids_those_that_have_failed_it(reading: RoutedTransaction) -> None:
    """And may read from another one."""
    reading.lose_replica("east")
    assert (reading.replica, reading.pinned, reading.failed) == (None, False, {"east"})


def test_a_snapshot_shows_what_its_first_read_needed(reading: RoutedTransaction) -> None:
    """How old that is by now counts no more; a later commit does, and a read that asks for no snapshot."""
    need = Need(since=1.0)
    assert not reading.shows(need, SNAPSHOT)
    reading.take_snapshot(need)
    reading.take_snapshot(Need(since=2.0))
    assert reading.has_snapshot and reading.shows(need, SNAPSHOT)
    assert not reading.shows(replace(need, since=2.0), SNAPSHOT)
    assert not reading.shows(need, PLAIN)


def test_the_next_one_begins_nowhere_and_knows_where_the_last_statement_went(reading: RoutedTransaction) -> None:
    """A result that outlives its transaction goes on loading a replica's rows; the transaction after that has none."""
    following = RoutedTransaction(reading)
    assert (following.replica, following.pinned, following.decision) == (None, False, Decision("east", True, READ))
    assert following.loads_from_replica
    assert not RoutedTransaction(following).loads_from_replica
