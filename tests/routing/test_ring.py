"""The ring of positions says how fresh a replica is by one clock, and never claims more than was seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from erm_alembic.routing.watching.ring import LsnRing

STEPS = st.lists(
    st.tuples(st.floats(0.001, 5, allow_nan=False), st.integers(0, 50).map(lambda bytes_: bytes_ * 8)),
    min_size=1,
    max_size=60,
)


def test_an_empty_ring_knows_nothing() -> None:
    """Without a sample there is neither a moment nor a lag: unknown is not zero."""
    ring = LsnRing()
    assert ring.fresh_as_of(10**9) is None
    assert ring.lag(10**9, now=1.0) is None


def test_a_replica_with_everything_has_no_lag_and_is_as_fresh_as_the_last_sample() -> None:
    """On an idle primary the moment advances with each sample, and the lag stays zero."""
    ring = LsnRing()
    for moment in range(100):
        ring.add(float(moment), 500)
    assert len(ring) == 1
    assert ring.fresh_as_of(500) == 99.0
    assert ring.lag(500, now=1000.0) == (0.0, False)


def test_lag_is_the_age_of_the_first_sample_that_was_not_replayed() -> None:
    """It counts from the first moment at which the missing write was seen, however long the primary stood there."""
    ring = LsnRing()
    for moment, lsn in ((1.0, 100), (2.0, 200), (3.0, 200), (4.0, 300)):
        ring.add(moment, lsn)
    assert ring.fresh_as_of(150) == 1.0
    assert ring.lag(150, now=10.0) == (8.0, False)
    assert ring.fresh_as_of(299) == 3.0
    assert ring.lag(299, now=10.0) == (6.0, False)


def test_what_is_older_than_the_ring_is_a_lower_bound() -> None:
    """A replica behind the first sample is at least that old, and fresh as of no known moment."""
    ring = LsnRing()
    ring.add(1.0, 100)
    assert ring.fresh_as_of(99) is None
    assert ring.lag(99, now=5.0) == (4.0, True)


def test_answers_that_come_late_are_left_out() -> None:
    """Two that ask at once may be heard in the other order: neither an older moment nor a lower position counts."""
    ring = LsnRing()
    ring.add(2.0, 100)
    ring.add(1.0, 100)
    ring.add(1.5, 120)
    ring.add(3.0, 80)
    assert ring.fresh_as_of(120) == 2.0
    assert ring.fresh_as_of(99) is None


def test_a_ring_that_was_cleared_knows_nothing() -> None:
    """Another history begins with its own first sample."""
    ring = LsnRing()
    ring.add(2.0, 100)
    ring.clear()
    ring.add(3.0, 50)
    assert ring.fresh_as_of(99) == 3.0


def test_samples_older_than_the_span_are_forgotten() -> None:
    """The ring's memory ends after its span; the last sample is always known."""
    ring = LsnRing(span=10.0)
    ring.add(0.0, 100)
    ring.add(5.0, 200)
    ring.add(14.0, 300)
    assert ring.fresh_as_of(150) is None
    assert ring.fresh_as_of(250) == 5.0
    ring.add(100.0, 300)
    assert ring.fresh_as_of(300) == 100.0


def test_a_busy_primary_fills_ten_minutes_into_a_bounded_ring() -> None:
    """However often it is asked, its memory is bounded, goes back far enough, and what is recent stays exact."""
    ring = LsnRing()
    samples = [(index * 0.02, index * 8) for index in range(60_000)]  # 20 minutes at the fastest pace
    for moment, lsn in samples:
        ring.add(moment, lsn)
    assert len(ring) <= 1024
    now = samples[-1][0]
    assert ring.fresh_as_of(samples[-100][1]) == samples[-100][0]
    ten_minutes_ago = len(samples) - 30_000
    found = ring.fresh_as_of(samples[ten_minutes_ago][1])
    assert found is not None
    assert 600 <= now - found < 620


@given(STEPS, st.integers(0, 3000), st.integers(4, 12))
def test_it_never_claims_what_was_not_seen(steps: list[tuple[float, int]], replayed: int, capacity: int) -> None:
    """Whatever is thinned out: the moment is one at which the primary stood no further than what is replayed, and it
    is never newer, nor the lag shorter, than an unbounded memory would say."""
    ring, samples, moment, lsn = LsnRing(capacity=capacity), [], 0.0, 0
    for pause, written in steps:
        moment, lsn = moment + pause, lsn + written
        ring.add(moment, lsn)
        samples.append((moment, lsn))
    assert len(ring) <= capacity
    best = max((seen for seen, stood in samples if stood <= replayed), default=None)
    claimed = ring.fresh_as_of(replayed)
    assert claimed is None or (best is not None and claimed <= best)
    lag = ring.lag(replayed, moment)
    assert lag is not None
    if replayed >= lsn:
        assert lag == (0.0, False)
    else:
        assert lag[0] >= moment - min(seen for seen, stood in samples if stood > replayed)
