"""An observation as it grows: counters that are reset, servers that change, a history that gets coarser."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from erm_alembic.errors import ErmError
from erm_alembic.observing.differences import grown, statements_grown
from erm_alembic.observing.model import Point
from erm_alembic.observing.storing import observation_json, observation_of, sample_json, sample_of
from erm_alembic.observing.window import POINTS, with_sample, with_silence
from erm_alembic.postgres.health.counters import Counters
from erm_alembic.postgres.health.statements import Statements, StatementTotal
from tests.observing.observed import AT_ONCE, NOW, SERVER, NoTexts, empty, of, sample, seen

RESTARTED = replace(SERVER, started=2.0)
PROMOTED = replace(SERVER, timeline=2, started=3.0)


def test_counters_are_differences() -> None:
    """What was counted before the first look belongs to no one's time."""
    observation = seen(
        sample(0, counters=Counters({"deadlocks": 5})),
        sample(1, counters=Counters({"deadlocks": 7})),
        sample(2, counters=Counters({"deadlocks": 8})),
    )
    assert observation.totals == {"deadlocks": 3}


def test_counters_go_on_from_nothing_after_a_reset() -> None:
    """A reset is known by its time, or by a counter that has less than before."""
    before = sample(0, counters=Counters({"deadlocks": 5, "conflicts": 1}))
    assert grown(before, sample(1, counters=Counters({"deadlocks": 2, "conflicts": 1}))) == {
        "deadlocks": 2,
        "conflicts": 1,
    }
    reset = sample(1, counters=Counters({"deadlocks": 6, "conflicts": 1}, reset_at=NOW))
    assert grown(before, reset) == {"deadlocks": 6, "conflicts": 1}


def test_counters_of_another_server_say_nothing_of_the_time_before() -> None:
    """After a failover the standby's own counters are there, which count since it was made."""
    before = sample(0, counters=Counters({"deadlocks": 5}))
    assert grown(before, sample(1, server=PROMOTED, counters=Counters({"deadlocks": 500}))) == {}


def test_a_restart_and_a_failover_are_gaps_although_every_look_was_answered() -> None:
    """A server that came back between two looks was away all the same."""
    restarted = seen(sample(0), sample(1, server=RESTARTED))
    assert [(gap.kind, gap.why) for gap in restarted.gaps] == [("restart", "The server was restarted")]
    assert [each.message for each in of(restarted, "server-away")] == ["The server was restarted, within 1s."]
    failed_over = seen(sample(0), sample(1, server=PROMOTED))
    assert [gap.kind for gap in failed_over.gaps] == ["failover"]
    assert restarted.is_worse and failed_over.is_worse


def test_a_silence_is_one_gap_from_the_last_answer_to_the_next() -> None:
    """However often nobody answers, it is told once, with the reason and how long it took."""
    observation = seen(sample(0))
    for second in (1, 2, 3):
        since = NOW + timedelta(seconds=second)
        observation = with_silence(observation, "connection refused", since, since, 1.0, AT_ONCE)
        assert observation.is_away and observation.is_worse
    observation = with_sample(observation, sample(4), 1.0, AT_ONCE, NoTexts())
    (gap,) = observation.gaps
    assert not observation.is_away and gap.seconds(NOW) == 4.0 and gap.kind == "silence"
    (found,) = of(observation, "server-away")
    assert found.message == "The server did not answer for 4s: connection refused." and found.is_over
    assert observation.observed_s == 4.0 and observation.samples == 2


def test_what_happens_while_nobody_observes_does_not_count() -> None:
    """Between two runs of a release, a day may pass: its counters are no part of what was observed."""
    observation = seen(sample(0, counters=Counters({"deadlocks": 1})), sample(1, counters=Counters({"deadlocks": 2})))
    kept = observation_of(observation_json(observation))
    again = with_sample(kept, sample(86_400, counters=Counters({"deadlocks": 90})), 0.0, AT_ONCE, NoTexts())
    assert again.totals == {"deadlocks": 1} and again.observed_s == 1.0 and again.before == observation.before
    more = with_sample(again, sample(86_401, counters=Counters({"deadlocks": 91})), 1.0, AT_ONCE, NoTexts())
    assert more.totals == {"deadlocks": 2} and more.observed_s == 2.0


def test_a_restart_while_nobody_observes_is_no_gap() -> None:
    """Maintenance in the pause of a release is nobody's trouble; a silence ends with the run that met it."""
    observation = seen(sample(0), sample(1))
    again = with_sample(observation, sample(86_400, server=RESTARTED), 0.0, AT_ONCE, NoTexts())
    assert again.gaps == () and not again.is_worse
    silent = with_silence(observation, "refused", NOW, NOW + timedelta(seconds=3), 1.0, AT_ONCE)
    again = with_sample(silent, sample(86_400), 0.0, AT_ONCE, NoTexts())
    assert [gap.seconds(NOW) for gap in again.gaps] == [2.0] and not again.is_away


def statements(reset_at: object = None, complete: bool = True, **totals: tuple[int, float]) -> dict[str, object]:
    """What pg_stat_statements says in a sample."""
    found = {query: StatementTotal(*total) for query, total in totals.items()}
    return {"statements": Statements(found, reset_at, 0, complete)}  # type: ignore[arg-type]


def test_statements_are_differences_too_and_survive_a_reset() -> None:
    """What a statement took is counted from one look to the next, from nothing after a reset."""
    before = sample(0, **statements(NOW, a=(10, 100.0), b=(5, 5.0)))
    now = sample(1, **statements(NOW, a=(12, 150.0), b=(5, 5.0), c=(1, 3.0)))
    assert statements_grown(before, now) == {"a": StatementTotal(2, 50.0), "c": StatementTotal(1, 3.0)}
    later = NOW + timedelta(seconds=1)
    assert statements_grown(now, sample(2, **statements(later, a=(13, 9.0)))) == {"a": StatementTotal(13, 9.0)}
    # PostgreSQL 13 does not say when that was.
    old = sample(1, **statements(None, a=(12, 150.0), b=(5, 5.0)))
    assert statements_grown(old, sample(2, **statements(None, a=(1, 9.0), b=(2, 2.0)))) == {
        "a": StatementTotal(1, 9.0),
        "b": StatementTotal(2, 2.0),
    }


def test_of_a_long_list_the_past_of_those_below_its_end_is_not_made_up() -> None:
    """A statement that only comes into the list has taken its time before, nobody knows how much of it."""
    before = sample(0, **statements(None, complete=False, a=(10, 100.0)))
    now = sample(1, **statements(None, complete=False, a=(11, 110.0), late=(1_000_000, 9e9)))
    assert statements_grown(before, now) == {"a": StatementTotal(1, 10.0)}


def test_a_long_history_gets_coarser_and_keeps_its_peaks() -> None:
    """Days of samples fit on a screen, and a moment's trouble stays visible."""
    observation = seen(*(sample(second, waiting=99 if second == 7 else 0) for second in range(4 * POINTS)))
    assert len(observation.points) <= POINTS
    assert max(point.values["waiting"] for point in observation.points) == 99
    assert [point.at_s for point in observation.points] == sorted(point.at_s for point in observation.points)
    assert observation.samples == 4 * POINTS


def test_what_is_kept_is_read_back_as_it_was() -> None:
    """An observation, and a sample, survive being JSON; what is none is told in words."""
    observation = replace(seen(sample(0), sample(1, server=RESTARTED)), points=(Point(0.0, {"lag": 1.5}),))
    assert observation_of(observation_json(observation)) == observation
    assert sample_of(sample_json(sample(0))) == sample(0)
    with pytest.raises(ErmError, match="What was kept of an observation cannot be read"):
        observation_of('{"environment": 7}')


def test_all_that_was_wanted_is_what_completes_it() -> None:
    """An observation is complete when its time is over, however many runs that took."""
    observation = replace(empty(), wanted_s=1.0)
    assert not observation.is_complete and replace(observation, observed_s=1.0).is_complete
