"""What is wrong with a server is a value for those who act on it, and words for people: both say the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from erm_alembic.postgres.replication import ServerSample
from erm_alembic.routing.watching.changes import changes_between
from erm_alembic.routing.watching.picture import Picture
from erm_alembic.routing.watching.state import ClusterState, PrimaryState, ReplicaState, Trouble

PRIMARY = ServerSample(in_recovery=False, started=1.0, system=77, written=1000, timeline=3, database="shop")
STANDBY = ServerSample(in_recovery=True, started=2.0, system=77, replayed=1000, timeline=3, database="shop")


def picture_of(primary: ServerSample | None, replica: ServerSample | None, **beats: str) -> Picture:
    """What is known after each has answered; None stands for one that was not asked."""
    picture = Picture(["east"])
    if primary is not None:
        picture.primary_answered(primary, 10.0, 10.1)
    if replica is not None:
        picture.replica_answered("east", replica, 11.0, 12.0, **beats)  # type: ignore[arg-type]
    return picture


@pytest.mark.parametrize(
    ("picture", "trouble"),
    [
        (picture_of(PRIMARY, STANDBY), Trouble.NONE),
        (picture_of(PRIMARY, None), Trouble.NOT_ASKED),
        (picture_of(None, STANDBY), Trouble.PRIMARY_UNKNOWN),
        (picture_of(PRIMARY, replace(STANDBY, in_recovery=False)), Trouble.NO_STANDBY),
        (picture_of(PRIMARY, replace(STANDBY, system=78)), Trouble.OTHER_CLUSTER),
        (picture_of(PRIMARY, replace(STANDBY, timeline=2)), Trouble.OTHER_HISTORY),
        (picture_of(PRIMARY, replace(STANDBY, database="shed")), Trouble.OTHER_DATABASE),
        (picture_of(PRIMARY, replace(STANDBY, timeline=None)), Trouble.NOT_TOLD),
        (picture_of(PRIMARY, replace(STANDBY, timeline=None), no_beat="it may not be read"), Trouble.NO_HEARTBEAT),
        (picture_of(PRIMARY, replace(STANDBY, replayed=None)), Trouble.NO_POSITION),
        (picture_of(PRIMARY, replace(STANDBY, replayed=None), no_beat="it may not be read"), Trouble.NO_HEARTBEAT),
    ],
    ids=lambda value: value.name if isinstance(value, Trouble) else "",
)
def test_a_replica_has_one_kind_of_trouble_and_its_words(picture: Picture, trouble: Trouble) -> None:
    """Words where it cannot be read from, none where it can."""
    replica = picture.state(100.0).replicas["east"]
    assert replica.trouble is trouble
    assert bool(replica.problem) == (trouble is not Trouble.NONE)


def test_one_that_does_not_answer_is_unreachable_until_it_does() -> None:
    """Whatever was wrong before."""
    picture = picture_of(PRIMARY, replace(STANDBY, system=78))
    picture.replica_failed("east", "it is silent")
    picture.primary_failed("so is it")
    state = picture.state(100.0)
    assert (state.replicas["east"].trouble, state.primary.trouble) == (Trouble.UNREACHABLE, Trouble.UNREACHABLE)
    picture.replica_answered("east", STANDBY, 20.0, 21.0)
    picture.primary_answered(replace(PRIMARY, in_recovery=True), 20.0, 21.0)
    state = picture.state(100.0)
    assert (state.replicas["east"].trouble, state.primary.trouble) == (Trouble.NONE, Trouble.DEMOTED)


@pytest.mark.parametrize("words", ["not asked yet", "", "it is silent"])
def test_the_first_news_is_a_change_whatever_its_words(words: str) -> None:
    """A server that was not asked before was neither reachable nor silent."""
    known = ReplicaState("east", problem=words, trouble=Trouble.UNREACHABLE)
    after = ClusterState(1.0, PrimaryState(), {"east": known})
    (change,) = changes_between(ClusterState(), after, 1.0)
    assert (change.replica, change.what, change.now) == ("east", "reachable", False)
    assert not list(changes_between(after, after, 2.0))
