"""Windows kept in order against windows looked through anew."""

from hypothesis import given
from hypothesis import strategies as st

from services.signals.engine.technical.extremes import Extremes
from services.signals.engine.technical.rank import Rank

NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 2.0]), max_size=60)


@given(NUMBERS, st.integers(1, 12))
def test_extremes_are_those_of_the_window(values, period):
    extremes = Extremes(period)
    for n, value in enumerate(values):
        window = values[max(0, n + 1 - period) : n + 1]
        expected = (max(window), min(window)) if len(window) == period else None
        assert extremes.add(value, value) == expected
        assert len(extremes.highs) <= period
        assert len(extremes.lows) <= period


@given(NUMBERS, st.integers(1, 12))
def test_a_rank_is_the_share_of_the_window_below_ties_half(values, period):
    rank = Rank(period)
    for n, value in enumerate(values):
        window = values[max(0, n + 1 - period) : n + 1]
        below, same = sum(other < value for other in window), sum(other == value for other in window)
        assert rank.add(value) == (below + same / 2) / len(window)
        assert rank.ordered == sorted(rank.values) == sorted(window)
