"""Where things stand in a picture: hand-made candles, positions worked out by hand."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import Candle, Direction, Label, Mark, Origin, Plan, Signal, Target, Timeframe
from services.alerts.policy.chart import MOST_MARKS, lay_out

S = 1_000_000_000
START_NS = 1_767_225_600 * S  # 2026-01-01 00:00:00 UTC
M15 = Timeframe.M15


def candle(slot: int, close: float = 100.0, **changes: Any) -> Candle:
    fields: dict[str, Any] = {
        "venue": "okx",
        "symbol": "BTC-USDT-PERP",
        "event_ns": START_NS + (slot + 1) * M15.ns,
        "received_ns": 0,
        "timeframe": M15,
        "open_ns": START_NS + slot * M15.ns,
        "open": 100.0,
        "high": max(close, 100.0) + 1,
        "low": min(close, 100.0) - 1,
        "close": close,
        "volume": 2.0,
    }
    return Candle(**{**fields, **changes})


def signal(slots: int = 10, origin: Origin = Origin.LIVE, **changes: Any) -> Signal:
    fields: dict[str, Any] = {
        "venue": "okx",
        "symbol": "BTC-USDT-PERP",
        "origin": origin,
        "signal_id": "sig-1",
        "timeframe": M15,
        "as_of_ns": START_NS + slots * M15.ns,
        "known_at_ns": START_NS + slots * M15.ns,
        "direction": Direction.LONG,
        "label": Label.STRONG_BUY,
        "score": 0.6,
        "confidence": 0.5,
        "price": 100.0,
        "contributions": (),
        "absent": (),
        "plan": plan(),
    }
    return Signal(**{**fields, **changes})


def plan(**changes: Any) -> Plan:
    fields: dict[str, Any] = {
        "entry_low": 99.5,
        "entry_high": 100.5,
        "stop": 98.5,
        "targets": tuple(Target(price=price, reward_to_risk=1.0) for price in (101.5, 102.5, 110.0)),
        "expires_ns": START_NS * 2,
        "invalidation": "x",
        "stop_basis": "atr",
        "atr": 1.0,
        "fee_rate": 0.0005,
        "break_even_hit_rate": 0.4,
    }
    return Plan(**{**fields, **changes})


def mark(low: float, high: float, known_slot: int = 0, **changes: Any) -> Mark:
    fields: dict[str, Any] = {"kind": "order_block", "side": 1, "strength": 0.5, "formed_ns": START_NS}
    return Mark(**{**fields, "low": low, "high": high, "known_ns": START_NS + known_slot * M15.ns, **changes})


def ten() -> tuple[Candle, ...]:
    return tuple(candle(slot) for slot in range(10))


def test_what_is_written():
    chart = lay_out(signal(origin=Origin.SIMULATED), ten())
    assert chart.title == "BTC-USDT-PERP  15m"
    assert chart.subtitle == "strong buy, long, on okx"
    assert chart.footer == "as of 2026-01-01 02:30:00 UTC, signal sig-1"
    assert chart.banner == "SIMULATED"
    assert lay_out(signal(), ten()).banner == ""
    assert lay_out(signal(origin=Origin.RECORDED), ten()).banner == "RECORDED"


def test_a_missing_candle_leaves_its_slot_empty():
    candles = ten()
    chart = lay_out(signal(), candles[:3] + candles[5:])
    assert [bar.slot for bar in chart.bars] == [0, 1, 2, 5, 6, 7, 8, 9]
    assert (chart.slots, chart.moment) == (10, 9.5)  # the signal came at the end of the last


def test_only_what_was_known_is_drawn():
    candles = (*ten(), candle(10), candle(3, timeframe=Timeframe.M5), candle(4, math.nan), candle(5, low=200.0))
    marks = (mark(99.0, 99.2, known_slot=11), mark(99.0, 99.2, known_slot=4))
    chart = lay_out(signal(), candles, marks)
    assert [bar.slot for bar in chart.bars] == list(range(10))
    assert [zone.slot for zone in chart.zones] == [3.5]
    later = lay_out(signal(), candles, marks, as_of_ns=START_NS + 11 * M15.ns)
    assert (later.slots, later.moment, len(later.zones)) == (11, 9.5, 2)


def test_the_newest_120():
    chart = lay_out(signal(300), tuple(candle(slot, 100.0 + slot) for slot in range(300)))
    assert chart.slots == len(chart.bars) == 120
    assert chart.bars[-1].close == 399.0


def test_levels_are_named_and_far_ones_stand_at_the_edge():
    chart = lay_out(signal(), ten())  # candles from 99 to 101: levels from 97 to 103 fit
    words = [line.words for line in chart.lines]
    assert words == [
        "Stop 98.5",
        "Price 100",
        "Entry 99.5 to 100.5",
        "Target 1 101.5",
        "Target 2 102.5",
        "▲ Target 3 110",
    ]
    assert 98.5 - 1 < chart.low < 98.5
    assert 102.5 < chart.high < 103.5
    assert chart.lines[-1].label_at < chart.high


def test_without_a_plan_the_price_remains():
    assert [line.role for line in lay_out(signal(plan=None), ten()).lines] == ["price"]


def test_labels_do_not_stand_on_each_other():
    targets = tuple(Target(price=100.1 + n / 100, reward_to_risk=1.0) for n in range(3))
    chart = lay_out(signal(plan=plan(targets=targets, stop=99.9, entry_low=100.0, entry_high=100.05)), ten())
    places = [line.label_at for line in chart.lines]
    least = (chart.high - chart.low) * 0.05
    assert all(upper - lower > least for lower, upper in itertools.pairwise(places))
    assert chart.low < places[0] < places[-1] < chart.high


def test_marks_are_the_nearest_few_within_the_picture():
    marks = tuple(mark(99.0 + n / 10, 99.05 + n / 10, kind=f"zone_{n}") for n in range(20))
    chart = lay_out(signal(), ten(), (*marks, mark(50.0, 51.0)))
    assert len(chart.zones) == MOST_MARKS
    assert [zone.words for zone in chart.zones[:2]] == ["zone 10", "zone 9"]


def test_ticks_are_round():
    chart = lay_out(signal(96), tuple(candle(slot) for slot in range(96)))
    assert [tick.words for tick in chart.times] == [
        "00:00\n2026-01-01", "04:00", "08:00", "12:00", "16:00", "20:00",
    ]  # fmt: skip
    assert [tick.at for tick in chart.times[:2]] == [-0.5, 15.5]
    assert [tick.words for tick in chart.prices] == ["98.5", "99.0", "99.5", "100.0", "100.5", "101.0", "101.5",
                                                     "102.0", "102.5"]  # fmt: skip


def test_small_prices_keep_their_digits():
    small = tuple(candle(n, open=1e-8, high=1.2e-8, low=0.9e-8, close=1.1e-8) for n in range(5))
    chart = lay_out(signal(5, price=1.1e-8, plan=None), small)
    assert chart.prices[0].words == "0.0000000090"
    assert chart.lines[0].words == "Price 0.000000011"


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="no candle of 15m"):
        lay_out(signal(), (candle(0, math.inf),))


PRICES = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.floats(1e-6, 1e6), st.floats(0, 10)), min_size=1, max_size=60),
    PRICES,
    PRICES,
    st.lists(PRICES, max_size=5),
)
def test_whatever_the_levels_are_the_picture_is_bounded(rows, stop, price, targets):
    candles = tuple(candle(n, p, open=p, high=p * (1 + w), low=p / (1 + w), volume=p) for n, p, w in rows)
    aims = tuple(Target(price=one, reward_to_risk=1.0) for one in targets)
    chart = lay_out(signal(401, price=price, plan=plan(stop=stop, targets=aims)), candles)
    assert 1 <= chart.slots <= 120
    assert all(0 <= bar.slot < chart.slots and chart.low <= bar.low <= bar.high <= chart.high for bar in chart.bars)
    assert len(chart.lines) <= 6
    assert 1 <= len(chart.prices) <= 11
    assert len(chart.times) <= 9
    assert all(chart.low <= line.label_at <= chart.high for line in chart.lines)
