"""The record of signals; bounds against published values and SciPy's own roots."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Barrier, Outcome, Timeframe
from services.alerts.policy.record import fold, wilson

Z2 = 1.959963984540054**2


def outcome(barrier, r=None):
    return Outcome(
        signal_id="s", timeframe=Timeframe.H1, resolved_ns=1, barrier=barrier, r_multiple=r, mfe=None, mae=None,
        venue="okx", symbol="BTC-USDT",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [  # Newcombe 1998, table I, method 3: the score interval without continuity correction
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(hits, of, low, high):
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_bounds_are_where_the_score_test_just_rejects(both):
    hits, of = both
    share = hits / of
    for bound in wilson(hits, of):
        assert 0 <= bound <= 1
        if 0 < bound < 1:
            assert (share - bound) ** 2 * of == pytest.approx(Z2 * bound * (1 - bound), rel=1e-6, abs=1e-9)


def test_what_is_counted():
    one = fold(
        [
            outcome(Barrier.TARGET, 1.5),
            outcome(Barrier.STOP, -1.0),
            outcome(Barrier.EXPIRY, 0.25),
            outcome(Barrier.TARGET),
            outcome(Barrier.UNRESOLVED),
            outcome(Barrier.STOP, math.nan),
        ]
    )
    assert (one.outcomes, one.resolved, one.hits, one.stops, one.with_r) == (6, 5, 2, 2, 3)
    assert (one.hit_rate, one.mean_r, one.coverage) == (0.4, 0.25, 5 / 6)


def test_nothing_is_made_of_nothing():
    for known in ([], [outcome(Barrier.UNRESOLVED)]):
        one = fold(known)
        assert (one.hit_rate, one.low, one.high, one.mean_r, one.resolved) == (None, None, None, None, 0)
    assert fold([]).coverage is None
