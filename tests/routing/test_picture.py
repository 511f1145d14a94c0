"""What servers say of themselves, set against each other: what is not proven is not claimed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from erm_alembic.postgres.replication import ServerSample
from erm_alembic.routing.watching.picture import Picture
from erm_alembic.routing.watching.state import ReplicaState

SYSTEM = 77
PRIMARY = ServerSample(in_recovery=False, started=1.0, system=SYSTEM, written=1000, timeline=3)
STANDBY = ServerSample(in_recovery=True, started=2.0, system=SYSTEM, replayed=1000, timeline=3)


def replica_of(picture: Picture, now: float = 100.0) -> ReplicaState:
    """What the picture says of the only replica."""
    return picture.state(now).replicas["east"]


@pytest.fixture
def picture() -> Picture:
    """A primary and its replica, which has everything."""
    picture = Picture(["east"])
    picture.primary_answered(PRIMARY, 10.0, 10.1)
    picture.replica_answered("east", STANDBY, 11.0, 12.0)
    return picture


def test_nothing_is_known_of_who_was_not_asked() -> None:
    """Unknown is neither zero nor fresh."""
    replica = replica_of(Picture(["east"]))
    assert (replica.reachable, replica.follows, replica.fresh_as_of, replica.lag) == (False, False, None, None)
    assert replica.problem == "not asked yet"


def test_a_replica_says_nothing_before_the_primary_did() -> None:
    """Its position is one of a history that nobody knows yet."""
    picture = Picture(["east"])
    picture.replica_answered("east", STANDBY, 1.0, 2.0)
    assert replica_of(picture).problem == "the primary is not known yet"
    assert replica_of(picture).fresh_as_of is None


def test_a_replica_with_everything_is_as_fresh_as_the_primarys_answer(picture: Picture) -> None:
    """Also as a later one that finds the primary at the same place, without the replica being asked again."""
    assert replica_of(picture).fresh_as_of == 10.0
    picture.primary_answered(PRIMARY, 20.0, 20.1)
    assert replica_of(picture).fresh_as_of == 20.0
    assert replica_of(picture).lag == 0


def test_who_is_behind_is_worth_another_look(picture: Picture) -> None:
    """Only a replica that states an older position than the primary's last one."""
    assert list(picture.behind()) == []
    picture.primary_answered(replace(PRIMARY, written=1064), 20.0, 20.1)
    assert list(picture.behind()) == ["east"]
    picture.replica_answered("east", replace(STANDBY, replayed=None), 21.0, 22.0)
    assert list(picture.behind()) == []


def test_a_replica_that_never_replayed_is_unknown(picture: Picture) -> None:
    """A standby that was only just restored has no position: that is not zero lag."""
    picture.replica_answered("east", replace(STANDBY, replayed=None), 21.0, 22.0)
    replica = replica_of(picture)
    assert (replica.fresh_as_of, replica.lag, replica.lag_bytes) == (None, None, None)
    assert replica.follows
    assert replica.problem == "how far it has replayed is not known"


def test_a_replica_of_another_cluster_does_not_follow(picture: Picture) -> None:
    """An address that leads to somebody else's standby is not read from, wherever that stands."""
    picture.replica_answered("east", replace(STANDBY, system=78), 21.0, 22.0)
    assert not replica_of(picture).follows
    assert replica_of(picture).problem == "it is of another cluster than the primary"


def test_an_address_with_another_database_is_not_read_from(picture: Picture) -> None:
    """Not though it is the very same server, which follows; as soon as both are known."""
    picture.replica_answered("east", replace(STANDBY, database="postgres"), 21.0, 22.0)
    assert replica_of(picture).follows
    picture.primary_answered(replace(PRIMARY, database="shop"), 23.0, 23.1)
    replica = replica_of(picture)
    assert (replica.follows, replica.fresh_as_of) == (False, None)
    assert replica.problem == "its address leads to the database 'postgres', and the primary's to 'shop'"
    picture.replica_answered("east", replace(STANDBY, database="shop"), 24.0, 25.0)
    assert replica_of(picture).follows


def test_who_is_no_standby_is_told_apart(picture: Picture) -> None:
    """The primary itself, another cluster's primary, one that was promoted."""
    said = {}
    for sample in (PRIMARY, replace(PRIMARY, started=3.0, system=78), replace(PRIMARY, started=3.0)):
        picture.replica_answered("east", sample, 21.0, 22.0)
        said[sample.system, sample.started] = replica_of(picture).problem
    assert list(said.values()) == [
        "it is the primary itself",
        "it is the primary of another cluster",
        "it is not a standby, or no longer one",
    ]


@pytest.mark.parametrize("timeline", [2, 4])
def test_a_replica_of_another_timeline_does_not_follow(timeline: int) -> None:
    """Neither one that stayed behind, nor one that follows another primary already."""
    picture = Picture(["east"])
    picture.primary_answered(PRIMARY, 10.0, 10.1)
    picture.replica_answered("east", replace(STANDBY, timeline=timeline), 11.0, 12.0)
    assert replica_of(picture).problem == f"it follows timeline {timeline}, and the primary writes timeline 3"
    assert replica_of(picture).fresh_as_of is None


def test_a_timeline_that_was_seen_stays_seen(picture: Picture) -> None:
    """The witness may go (the receiver ends) and the control file tells an older one: it has still been there. A
    server that was started anew may be another copy, and is believed what it says then."""
    picture.replica_answered("east", replace(STANDBY, timeline=2), 21.0, 22.0)
    assert replica_of(picture).timeline == 3
    assert replica_of(picture).follows
    picture.replica_answered("east", replace(STANDBY, timeline=2, started=20.0), 23.0, 24.0)
    assert replica_of(picture).timeline == 2
    assert not replica_of(picture).follows


def test_a_replica_ahead_of_the_primary_has_another_history(picture: Picture) -> None:
    """What it has replayed the primary had never written when it was asked later; that does not heal when the primary
    writes past it, only when the replica's server is started anew, or the primary has a new history."""
    picture.replica_answered("east", replace(STANDBY, replayed=1064), 13.0, 14.0)
    assert replica_of(picture).follows
    picture.primary_answered(PRIMARY, 15.0, 15.1)
    problem = "it has replayed what the primary never wrote: their histories have parted"
    assert replica_of(picture).problem == problem
    picture.primary_answered(replace(PRIMARY, written=5000), 16.0, 16.1)
    picture.replica_answered("east", replace(STANDBY, replayed=1064), 17.0, 18.0)
    assert replica_of(picture).problem == problem
    assert replica_of(picture).fresh_as_of is None
    picture.replica_answered("east", replace(STANDBY, started=17.5), 19.0, 20.0)
    assert replica_of(picture).follows


def test_a_replica_that_was_asked_after_the_primary_may_be_ahead(picture: Picture) -> None:
    """Between the two answers the primary has written on: that is how streaming looks."""
    picture.primary_answered(PRIMARY, 13.0, 13.1)
    picture.replica_answered("east", replace(STANDBY, replayed=1064), 13.5, 14.0)
    picture.primary_answered(replace(PRIMARY, written=1064), 14.0, 14.1)
    assert replica_of(picture).follows
    assert replica_of(picture).lag_bytes == 0


def test_a_new_timeline_forgets_the_old_positions(picture: Picture) -> None:
    """Positions of one history are no measure of another: fresh is who has the new primary's."""
    picture.primary_answered(replace(PRIMARY, timeline=4, written=2000), 20.0, 20.1)
    assert not replica_of(picture).follows
    picture.replica_answered("east", replace(STANDBY, timeline=4, replayed=1500), 21.0, 22.0)
    replica = replica_of(picture, now=25.0)
    assert replica.follows
    assert replica.fresh_as_of is None
    assert (replica.lag, replica.at_least, replica.lag_bytes) == (5.0, True, 500)


def test_a_primary_that_lost_its_end_begins_anew(picture: Picture) -> None:
    """After a crash it stands before where it stood: the positions of what it lost are forgotten."""
    picture.primary_answered(replace(PRIMARY, written=2000), 20.0, 20.1)
    picture.primary_answered(replace(PRIMARY, written=1500), 30.0, 30.1)
    picture.primary_answered(replace(PRIMARY, written=2500), 31.0, 31.1)
    picture.replica_answered("east", replace(STANDBY, replayed=2000), 32.0, 33.0)
    assert replica_of(picture).fresh_as_of == 30.0


def test_answers_of_the_primary_that_cross_are_no_loss(picture: Picture) -> None:
    """Two sessions that ask it at once may be answered in the other order."""
    picture.primary_answered(replace(PRIMARY, written=2000), 20.0, 25.0)
    picture.primary_answered(replace(PRIMARY, written=1500), 21.0, 22.0)
    picture.primary_answered(replace(PRIMARY, written=1200), 19.0, 26.0)
    picture.replica_answered("east", replace(STANDBY, replayed=1900), 27.0, 28.0)
    assert replica_of(picture).fresh_as_of == 10.0


def test_an_unreachable_replica_keeps_what_was_known(picture: Picture) -> None:
    """Its last position stays, with the moment at which it was asked; that it does not answer is the problem."""
    picture.replica_failed("east", "gone")
    replica = replica_of(picture)
    assert (replica.reachable, replica.problem, replica.replay_lsn, replica.seen_at) == (False, "gone", 1000, 11.0)


def test_a_demoted_primary_is_no_measure(picture: Picture) -> None:
    """It is said not to be writable, and nobody becomes fresher by it."""
    picture.primary_answered(replace(PRIMARY, in_recovery=True, written=None, timeline=None), 20.0, 20.1)
    primary = picture.state(21.0).primary
    assert primary.reachable and not primary.writable
    assert primary.problem == "it is in recovery: a standby, not a primary"
    assert replica_of(picture).fresh_as_of == 10.0


def test_a_heartbeat_and_a_position_are_both_bounds(picture: Picture) -> None:
    """The later moment of the two counts: each is true."""
    picture.beat_written(1, 12.0)
    picture.beat_written(2, 14.0)
    picture.replica_answered("east", STANDBY, 15.0, 16.0, beat=1)
    assert replica_of(picture).fresh_as_of == 12.0
    picture.primary_answered(PRIMARY, 17.0, 17.1)
    assert replica_of(picture).fresh_as_of == 17.0


def test_where_two_servers_write_the_same_timeline_no_standby_is_believed() -> None:
    """Of which of both it is one, it cannot say; a standby that was promoted to another timeline says nothing of it."""
    picture = Picture(["east", "west"])
    picture.primary_answered(PRIMARY, 10.0, 10.1)
    picture.replica_answered("east", STANDBY, 11.0, 12.0)
    for timeline, believed in ((4, True), (3, False)):
        promoted = ServerSample(in_recovery=False, started=5.0, system=SYSTEM, written=2000, timeline=timeline)
        picture.replica_answered("west", promoted, 13.0, 14.0)
        assert replica_of(picture).follows is believed
    assert "another server writes the timeline" in replica_of(picture).problem
    # An address of the primary's own is no other server.
    picture.replica_answered("west", PRIMARY, 15.0, 16.0)
    assert replica_of(picture).follows
