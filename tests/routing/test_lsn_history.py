"""The history of positions says how fresh a replica is by one clock, and never claims more than was seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from erm_alembic.routing.watching.lsn_history import LsnHistory

STEPS = st.lists(
    st.tuples(st.floats(0.001, 5, allow_nan=False), st.integers(0, 50).map(lambda bytes_: bytes_ * 8)),
    min_size=1,
    max_size=60,
)


def test_an_empty_ring_knows_nothing() -> None:
    """Without a sample there is neither a moment nor a lag: unknown is not zero."""
    history = LsnHistory()
    assert history.fresh_as_of(10**9) is None
    assert history.lag(10**9, now=1.0) is None


def test_a_replica_with_everything_has_no_lag_and_is_as_fresh_as_the_last_sample() -> None:
    """On an idle primary the moment advances with each sample, and the lag stays zero."""
    history = LsnHistory()
    for moment in range(100):
        history.add(float(moment), 500)
    assert len(history) == 1
    assert history.fresh_as_of(500) == 99.0
    assert history.lag(500, now=1000.0) == (0.0, False)


def test_lag_is_the_age_of_the_first_sample_that_was_not_replayed() -> None:
    """It counts from the first moment at which the missing write was seen, however long the primary stood there."""
    history = LsnHistory()
    for moment, lsn in ((1.0, 100), (2.0, 200), (3.0, 200), (4.0, 300)):
        history.add(moment, lsn)
    assert history.fresh_as_of(150) == 1.0
    assert history.lag(150, now=10.0) == (8.0, False)
    assert history.fresh_as_of(299) == 3.0
    assert history.lag(299, now=10.0) == (6.0, False)


def test_what_is_older_than_the_ring_is_a_lower_bound() -> None:
    """A replica behind the first sample is at least that old, and fresh as of no known moment."""
    history = LsnHistory()
    history.add(1.0, 100)
    assert history.fresh_as_of(99) is None
    assert history.lag(99, now=5.0) == (4.0, True)


def test_answers_that_come_late_are_left_out() -> None:
    """Two that ask at once may be heard in the other order: neither an older moment nor a lower position counts."""
    history = LsnHistory()
    history.add(2.0, 100)
    history.add(1.0, 100)
    history.add(1.5, 120)
    history.add(3.0, 80)
    assert history.fresh_as_of(120) == 2.0
    assert history.fresh_as_of(99) is None


def test_a_ring_that_was_cleared_knows_nothing() -> None:
    """Another history begins with its own first sample."""
    history = LsnHistory()
    history.add(2.0, 100)
    history.clear()
    history.add(3.0, 50)
    assert history.fresh_as_of(99) == 3.0


def test_samples_older_than_the_span_are_forgotten() -> None:
    """The history's memory ends after its span; the last sample is always known."""
    history = LsnHistory(span=10.0)
    history.add(0.0, 100)
    history.add(5.0, 200)
    history.add(14.0, 300)
    assert history.fresh_as_of(150) is None
    assert history.fresh_as_of(250) == 5.0
    history.add(100.0, 300)
    assert history.fresh_as_of(300) == 100.0


def test_a_busy_primary_fills_ten_minutes_into_a_bounded_ring() -> None:
    """However often it is asked, its memory is bounded, goes back far enough, and what is recent stays exact."""
    history = LsnHistory()
    samples = [(index * 0.02, index * 8) for index in range(60_000)]  # 20 minutes at the fastest pace
    for moment, lsn in samples:
        history.add(moment, lsn)
    assert len(history) <= 1024
    now = samples[-1][0]
    assert history.fresh_as_of(samples[-100][1]) == samples[-100][0]
    ten_minutes_ago = len(samples) - 30_000
    found = history.fresh_as_of(samples[ten_minutes_ago][1])
    assert found is not None
    assert 600 <= now - found < 620


@given(STEPS, st.integers(0, 3000), st.integers(4, 12))
def test_it_never_claims_what_was_not_seen(steps: list[tuple[float, int]], replayed: int, capacity: int) -> None:
    """Whatever is thinned out: the moment is one at which the primary stood no further than what is replayed, and it
    is never newer, nor the lag shorter, than an unbounded memory would say."""
    history, samples, moment, lsn = LsnHistory(capacity=capacity), [], 0.0, 0
    for pause, written in steps:
        moment, lsn = moment + pause, lsn + written
        history.add(moment, lsn)
        samples.append((moment, lsn))
    assert len(history) <= capacity
    best = max((seen for seen, stood in samples if stood <= replayed), default=None)
    claimed = history.fresh_as_of(replayed)
    assert claimed is None or (best is not None and claimed <= best)
    lag = history.lag(replayed, moment)
    assert lag is not None
    if replayed >= lsn:
        assert lag == (0.0, False)
    else:
        assert lag[0] >= moment - min(seen for seen, stood in samples if stood > replayed)
