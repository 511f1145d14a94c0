"""A round on a Patroni cluster can fail: each of its checks is shown what it must not let pass; without any server."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

import pytest
from sqlalchemy.exc import OperationalError

from erm_alembic.errors import NoReplicaAvailable
from tests.patroni.__main__ import concluded
from tests.patroni.load import _Worker
from tests.patroni.verdict import EVENTS, KINDS, OWN, Event, Round
from tests.support.load.truth import Answer, Truth

LOST = OperationalError("SELECT 1", None, ConnectionResetError("gone"), connection_invalidated=True)
WRONG = OperationalError("SELECT 1", None, cast("Exception", type("Fault", (Exception,), {"sqlstate": "42P01"})("x")))
STORED = {(0, number) for number in range(1, 301)}


@pytest.fixture
def events() -> list[Event]:
    """One of each kind, of a second each."""
    return [Event(name, 10.0 * n, 10.0 * n + 0.2, 10.0 * n + 0.5, 10.0 * n + 1.0) for n, name in enumerate(EVENTS)]


@pytest.fixture
def round(events: list[Event]) -> Round:
    """One in which enough was read and written before, during and after each of them."""
    found = Round(Truth(heard_within=1.0))
    moments = [event.began + step / 100 for event in events for step in range(100)]
    found.written_at += moments
    found.read_at |= {kind: list(moments) for kind in (*KINDS, OWN)}
    for _ in STORED:
        found.truth.committed(0, found.truth.begin_write(0))
    found.truth.counts.update({"answers of replicas": 900, "answers of the primary": 300})
    return found


def test_a_round_with_enough_of_everything_passes(round: Round, events: list[Event]) -> None:
    """Its row has its counts."""
    result = concluded(1, round, events, STORED)
    assert not result.faults
    assert result.sums == "| 1 | 300 | 0 | 1200 | 75% | 0 | 0 |\n"


@pytest.mark.parametrize("number", range(len(EVENTS)))
def test_a_round_without_an_event_fails(number: int, round: Round, events: list[Event]) -> None:
    """Whichever is missing, or left nobody promoted, or somebody who was so before it."""
    without = events[:number] + events[number + 1 :]
    assert concluded(1, round, without, STORED).faults == [f"there was no {EVENTS[number]}"]
    for promoted in (None, events[number].began - 1):
        events[number] = replace(events[number], promoted=promoted)
        assert concluded(1, round, events, STORED).faults == [f"{EVENTS[number]}: nobody was seen to be promoted"]


@pytest.mark.parametrize("kind", [*KINDS, OWN])
def test_a_round_with_few_reads_of_a_kind_fails(kind: str, round: Round, events: list[Event]) -> None:
    """At all, and after an event."""
    round.read_at[kind] = [moment for moment in round.read_at[kind] if moment < events[2].whole]
    assert concluded(1, round, events, STORED).faults == [
        f"leader frozen: only 0 reads, {kind} afterwards, and 10 is the least"
    ]
    round.read_at[kind].clear()
    assert f"only 0 reads, {kind}, and 200 is the least" in concluded(1, round, events, STORED).faults


def test_a_round_with_few_writes_fails(round: Round, events: list[Event]) -> None:
    """At all, and after an event."""
    round.written_at[:] = [moment for moment in round.written_at if not events[0].whole < moment < events[0].ended]
    assert concluded(1, round, events, STORED).faults == ["switchover: only 0 writes afterwards, and 10 is the least"]
    round.written_at.clear()
    assert "only 0 writes, and 200 is the least" in concluded(1, round, events, STORED).faults


@pytest.mark.parametrize("which", ["answers of replicas", "answers of the primary"])
def test_a_round_in_which_one_side_answered_nothing_fails(which: str, round: Round, events: list[Event]) -> None:
    """Replicas, or the primary."""
    round.truth.counts[which] = 0
    assert concluded(1, round, events, STORED).faults == [f"no {which}"]


def test_a_lost_write_and_a_wrong_answer_fail_a_round(round: Round, events: list[Event]) -> None:
    """Each stands in its column."""
    round.truth.judge(Answer(0, 299, time.monotonic(), "pg2", "own", None, 300))
    result = concluded(1, round, events, STORED - {(0, 7)})
    assert result.sums == "| 1 | 300 | 1 | 1201 | 75% | 1 | 0 |\n"
    assert len(result.faults) == 2


@pytest.mark.parametrize(
    ("error", "during", "is_excused"),
    [
        (LOST, True, True),
        (LOST, False, False),
        (WRONG, True, False),
        (NoReplicaAvailable("x"), True, False),
        (ValueError("x"), True, False),
    ],
)
def test_an_error_needs_an_event_of_just_then(error: Exception, during: bool, is_excused: bool, round: Round) -> None:
    """And to be that of a lost server."""
    worker, began_at = _Worker("somebody", round), time.monotonic()
    if during:
        with round.windows.lasting("switchover"):
            worker.failed("writer", error, began_at)
    else:
        worker.failed("writer", error, began_at)
    assert bool(round.truth.violations) != is_excused


def test_what_fails_in_the_end_is_never_excused(round: Round) -> None:
    """When all servers are back a session has to work."""
    with round.windows.lasting("switchover"):
        _Worker("somebody", round).is_broken("at the end", LOST)
    assert len(round.truth.violations) == 1
