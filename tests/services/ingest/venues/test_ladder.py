"""A ladder is a sorted dictionary, whatever is done to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.venues.ladder import Ladder

_levels = st.lists(
    st.tuples(st.integers(1, 30).map(float), st.sampled_from([0.0, 1.0, 2.5, 7.0])),
    max_size=12,
)


@pytest.mark.parametrize("bids", [True, False])
@given(start=_levels, changes=st.lists(_levels, max_size=8), depth=st.integers(1, 12))
def test_any_changes_leave_what_a_sorted_dictionary_would_hold(bids, start, changes, depth) -> None:
    ladder = Ladder(best_is_highest=bids)
    ladder.replace(start)
    oracle = {price: size for price, size in dict(start).items() if size}
    for change in changes:
        ladder.apply(change)
        for price, size in change:
            oracle.pop(price, None)
            if size:
                oracle[price] = size
        expected = sorted(oracle.items(), reverse=bids)
        assert list(ladder) == expected
        assert ladder.top(3) == expected[:3]
        assert ladder.best == (expected[0][0] if expected else None)
        gone = ladder.trim(depth)
        assert {price for price, _ in gone} == {price for price, _ in expected[depth:]}
        assert all(size == 0 for _, size in gone)
        oracle = dict(expected[:depth])
        assert len(ladder) == len(oracle)


def test_last_word_on_a_price_counts_in_a_whole_side_too():
    ladder = Ladder(best_is_highest=True)
    ladder.replace([(9.0, 2.0), (8.0, 1.0), (9.0, 0.0), (8.0, 3.0)])
    assert list(ladder) == [(8.0, 3.0)]
