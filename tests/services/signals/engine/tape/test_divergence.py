"""Hand-made bars: where price and takers part, when that is known, and where nothing may be said."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import MINUTE_NS
from services.signals.engine.bars import Bar
from services.signals.engine.parameters.cvd import CvdParameters
from services.signals.engine.tape.divergence import Divergences

TOLD = CvdParameters(pivot_left=1, pivot_right=1, least_apart=2, least_changes=2, deviations=0.5)


def bar(n, price, delta, volume=10.0):
    bought = None if delta is None else (volume + delta) / 2
    return Bar(n * MINUTE_NS, price, price + 0.1, price - 0.1, price, volume, bought=bought)


def found(rows, told=TOLD, atr=1.0):
    state, seen = Divergences.new(told), []
    for n, (price, delta) in enumerate(rows):
        one = state.add(bar(n, price, delta), (n + 1) * MINUTE_NS, atr)
        if one is not None:
            seen.append((n, one))
    return state, seen


WARM = [(10, 1), (12, 1), (10, -1), (11, 1), (9, -1), (12, 2), (10, -2), (12.5, 2), (9.5, -4)]
"""Enough pivots, whose balance moves with the price, to say what a usual change is."""


@pytest.mark.parametrize(
    ("tail", "kind", "side"),
    [
        ([(13.5, -4), (12, 0)], "regular", -1),  # a higher high of price, a lower one of the balance
        ([(12.0, 6), (11, 0)], "hidden", -1),  # a lower high of price, a higher one of the balance
        ([(11, 0), (9.0, 4), (10, 0)], "regular", 1),  # a lower low of price, a higher one of the balance
        ([(11, 0), (10.0, -6), (11, 0)], "hidden", 1),
    ],
)
def test_each_kind_is_found_when_its_second_pivot_is_confirmed(tail, kind, side):
    rows = [*WARM, *tail]
    _, seen = found(rows)
    n, one = seen[-1]
    assert (n, one.kind, one.side) == (len(rows) - 1, kind, side)
    assert (one.formed_ns, one.known_ns) == ((n - 1) * MINUTE_NS, (n + 1) * MINUTE_NS)
    assert one.deviations >= TOLD.deviations


def test_price_and_balance_that_agree_are_no_divergence():
    _, seen = found([*WARM, (13.5, 6), (12, 0)])
    assert [n for n, _ in seen if n >= len(WARM)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"least_move_atr": 2.0},
        {"deviations": 50.0},
        {"least_apart": 3},
        {"most_apart": 1},
        {"least_changes": 20},
    ],
)
def test_too_small_too_near_too_far_or_too_usual_is_none(change):
    _, seen = found([*WARM, (13.5, -4), (12, 0)], msgspec.structs.replace(TOLD, **change))
    assert [n for n, _ in seen if n >= len(WARM)] == []


def test_a_bar_without_takers_starts_anew_and_nothing_is_estimated():
    rows = [*WARM, (13.5, None), (12, 0)]
    state, seen = found(rows)
    assert [n for n, _ in seen if n >= len(WARM)] == []
    assert state.first == len(rows) - 1
    assert state.since(1) is None


def test_the_balance_since_a_pivot_is_the_sum_of_the_bars_after_it():
    state, _ = found(WARM)
    assert state.since(1) == (pytest.approx(-4.0), 7)


@given(st.integers(0, 10**6), st.integers(1, 150))
def test_nothing_found_depends_on_later_bars_and_a_mirror_mirrors(seed, cut):
    chance, price, rows = random.Random(seed), 100.0, []
    for _ in range(160):
        price += chance.gauss(0, 1)
        rows.append((price, chance.gauss(0, 3)))
    _, whole = found(rows)
    assert found(rows[:cut])[1] == [(n, one) for n, one in whole if n < cut]
    _, mirrored = found([(200 - price, -delta) for price, delta in rows])
    assert [(n, one.kind, -one.side) for n, one in mirrored] == [(n, one.kind, one.side) for n, one in whole]
    assert all(
        one.deviations == pytest.approx(other.deviations) for (_, one), (_, other) in zip(whole, mirrored, strict=True)
    )
