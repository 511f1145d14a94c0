"""The order of what several runs have done of one revision, each going on in the middle of the one before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from erm_alembic.execute.resuming.noting import place_between

RUNS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 4)), max_size=12)


@given(RUNS)
def test_what_is_done_between_two_statements_stands_between_them(runs: list[tuple[int, int]]) -> None:
    """Wherever a later run does something, its places are new and stand in its order, between its neighbours'."""
    places: list[tuple[int, ...]] = []
    for position, count in runs:
        at = position % (len(places) + 1)
        after = places[at - 1] if at else ()
        before = places[at] if at < len(places) else None
        places[at:at] = [place_between(after, before, number) for number in range(1, count + 1)]
        assert places == sorted(set(places))
