"""Invented forced closings: minutes that stand out by mean and standard deviation, and cascades of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import MINUTE_NS, SECOND_NS, Liquidation, OpenInterest, PositionSide
from services.signals.engine.config import EngineConfig
from services.signals.engine.flow.happenings import Happenings
from services.signals.engine.flow.liquidations import Cluster, Forced, cascades
from services.signals.engine.layers.order_flow import OrderFlow
from services.signals.engine.parameters.order_flow import OrderFlowParameters

START = 1_700_006_400 * SECOND_NS
TOLD = (4.0, 4, 1_000)


def at(minute, second=0.0):
    return START + minute * MINUTE_NS + round(second * SECOND_NS)


def interest(minute, base):
    return OpenInterest(venue="okx", symbol="BTC-USDT-PERP", event_ns=at(minute), received_ns=0, base=base)


def forced(per_minute, told=TOLD):
    """Return one side after minutes of one closing each, of so many quote units at a price of 100."""
    side = Forced(-1, 100)
    for minute, notional in enumerate(per_minute):
        if notional:
            assert side.add(at(minute, 30), 100.0, notional, told) is None
    return side


def test_a_cluster_is_a_minute_of_more_than_the_mean_and_four_standard_deviations():
    # minutes of 10, 0, 20, 10: mean 10, variance 200 / 4 = 50, so 10 + 4 x sqrt(50) = 38.28...
    side = forced([10.0, 0.0, 20.0, 10.0])
    assert side.add(at(4, 31), 99.0, 20.0, TOLD) is None
    assert side.add(at(4, 32), 98.0, 18.28, TOLD) is None
    found = side.add(at(4, 33), 98.5, 0.01, TOLD)
    assert found is not None
    assert (found.side, found.at_ns, found.low, found.high) == (-1, at(4, 33), 98.0, 99.0)
    assert found.notional == pytest.approx(38.29, rel=1e-12)
    assert found.sigmas == pytest.approx((38.29 - np.mean([10, 0, 20, 10])) / np.std([10, 0, 20, 10]), rel=1e-12)


def test_the_sum_is_of_sixty_seconds_wherever_minutes_begin():
    side = forced([10.0, 0.0, 20.0, 10.0])
    assert side.add(at(4, 40), 98.0, 20.0, TOLD) is None
    late = side.add(at(5, 41), 99.0, 20.0, TOLD)  # 61 s later
    assert late is None
    side = forced([10.0, 0.0, 20.0, 10.0])
    assert side.add(at(4, 40), 98.0, 25.0, TOLD) is None
    # five minutes now: 10, 0, 20, 10, 25: mean 13, variance 76, 13 + 4 x 8.717... = 47.87...
    assert side.add(at(5, 39), 99.0, 22.8, TOLD) is None
    found = side.add(at(5, 39.5), 99.0, 0.1, TOLD)
    assert found is not None
    assert found.notional == pytest.approx(47.9, rel=1e-12)
    assert found.sigmas == pytest.approx((47.9 - 13) / np.sqrt(76), rel=1e-12)


def test_nothing_is_judged_before_enough_minutes_are_over_or_where_all_are_alike():
    assert forced([10.0, 0.0, 20.0]).add(at(3), 100.0, 9_999.0, TOLD) is None
    assert forced([10.0, 10.0, 10.0, 10.0]).add(at(4, 31), 100.0, 9_999.0, TOLD) is None
    assert forced([10.0, 0.0, 20.0, 10.0]).add(at(4, 31), 100.0, 9_999.0, TOLD) is not None


def test_minutes_without_closings_count():
    # 40 and then nothing for three minutes: mean 10, variance 300, 10 + 4 x 17.32... = 79.28...
    assert forced([40.0]).add(at(4), 100.0, 79.2, TOLD) is None
    assert forced([40.0]).add(at(4), 100.0, 79.3, TOLD) is not None
    assert forced([40.0]).add(at(3, 59), 100.0, 9_999.0, TOLD) is None


def test_one_cluster_is_told_a_minute():
    side = forced([10.0, 0.0, 20.0, 10.0])
    assert side.add(at(4, 30), 100.0, 500.0, TOLD) is not None
    for second in (31, 60, 89.9):
        assert side.add(at(4, second), 100.0, 500.0, TOLD) is None
    told = side.add(at(4, 90), 100.0, 9_999.0, TOLD)
    assert told is not None
    assert told.notional == 500.0 * 3 + 9_999.0  # that of 4:30 is over


def test_the_rows_of_a_minute_are_bounded_and_what_was_dropped_is_counted():
    side = Forced(1, 3)
    for n in range(5):
        side.add(at(0, n), 100.0 + n, 1.0, TOLD)
    assert [row[1] for row in side.rows] == [102.0, 103.0, 104.0]
    assert side.dropped == 2


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 50)), min_size=1, max_size=60))
def test_mean_and_spread_are_numpys_over_all_minutes_that_are_over(rows):
    side, second = Forced(1, 1_000), 0
    told: dict[int, float] = {}
    for step, notional in rows:
        second += step
        found = side.add(at(0, second), 100.0, float(notional), (2.0, 3, 10_000))
        minutes = [told.get(minute, 0.0) for minute in range(min(told, default=second // 60), second // 60)]
        told[second // 60] = told.get(second // 60, 0.0) + notional
        assert side.minutes == len(minutes)
        if found is not None:
            assert len(minutes) >= 3
            assert found.sigmas == pytest.approx((found.notional - np.mean(minutes)) / np.std(minutes), rel=1e-6)
            assert found.notional >= np.mean(minutes) + 2 * np.std(minutes) - 1e-9


def test_a_trailing_span_bounds_how_long_the_past_weighs():
    side = forced([100.0, 0.0] * 10, (4.0, 4, 5))
    side.add(at(20), 100.0, 1.0, (4.0, 4, 5))
    assert side.minutes == 5
    assert side.total == pytest.approx(5 * 50, rel=0.5)
    quiet = side.add(at(60), 100.0, 1.0, (4.0, 4, 5))
    assert quiet is None
    assert side.minutes == 5
    assert side.total < 100


def cluster(side, seconds):
    return Cluster(side, at(0, seconds), 1.0, 100.0, 100.0, 5.0)


@pytest.mark.parametrize(
    ("rows", "as_of", "side"),
    [
        ([(-1, 0), (-1, 60), (-1, 120)], 120, -1),
        ([(1, 0), (1, 60), (1, 120)], 120, 1),
        ([(-1, 0), (-1, 60)], 120, 0),
        ([(-1, 0), (1, 60), (-1, 120)], 120, 0),
        ([(-1, 0), (1, 30), (-1, 60), (-1, 120)], 120, -1),
        ([(-1, 0), (-1, 60), (-1, 120)], 599.999, -1),
        ([(-1, 0), (-1, 60), (-1, 120)], 600, 0),
        ([(1, 0), (-1, 1), (1, 60), (-1, 61), (1, 120), (-1, 121)], 130, -1),
        ([(-1, 0), (1, 1), (-1, 60), (1, 61), (-1, 120), (1, 121)], 130, 1),
        ([(-1, 0), (-1, 60), (-1, 120), (1, 130)], 140, -1),
        ([(-1, 0), (-1, 60), (-1, 120)], 119, 0),
        ([], 0, 0),
    ],
)
def test_three_clusters_of_a_side_within_ten_minutes_are_a_cascade(rows, as_of, side):
    assert cascades([cluster(*row) for row in rows], at(0, as_of), (3, 10 * MINUTE_NS)) == side


def liquidation(minute, second, notional, side, price=100.0, venue="bybit"):
    return Liquidation(
        venue=venue,
        symbol="S-USDT",
        event_ns=at(minute, second),
        received_ns=at(minute, second),
        price=price,
        size=notional / price,
        liquidated=side,
    )


SHORT_TOLD = OrderFlowParameters(cluster_least_minutes=4)


def test_a_closing_that_the_topic_repeats_is_counted_once():
    happened = Happenings.new(SHORT_TOLD)
    one = liquidation(0, 5, 50.0, PositionSide.LONG)
    for _ in range(3):
        happened.on_liquidation(one, "complete")
    happened.on_liquidation(liquidation(0, 5, 50.0, PositionSide.SHORT), "complete")
    happened.on_liquidation(liquidation(0, 5, 60.0, PositionSide.LONG), "complete")
    assert happened.forced["long"].minute == 110.0
    assert happened.forced["short"].minute == 50.0


@pytest.mark.parametrize(("liquidated", "side"), [(PositionSide.LONG, -1), (PositionSide.SHORT, 1)])
def test_longs_are_closed_by_selling_and_shorts_by_buying(liquidated, side):
    happened = Happenings.new(SHORT_TOLD)
    assert happened.facts(at(0)).get("liquidation_feed", "absent") is None
    assert "liquidation_clusters" not in happened.facts(at(0))
    for minute, notional in enumerate((10.0, 20.0, 10.0, 0.5)):
        happened.on_liquidation(liquidation(minute, 0, notional, liquidated), "sampled")
    for n in range(3):
        quiet = happened.facts(at(5 + 2 * n))
        assert (quiet["liquidation_clusters"], quiet["liquidation_cascade_side"]) == (n, 0)
        event = liquidation(5 + 2 * n, 10, 1_000.0 * 10**n, liquidated, price=100.0 + n)
        happened.on_liquidation(event, "sampled")
        happened.on_liquidation(event, "sampled")
    facts = happened.facts(at(9, 10))
    assert (facts["liquidation_clusters"], facts["liquidation_cascade_side"]) == (3, side)
    assert facts["liquidation_feed"] == "sampled"
    marks = happened.marks(at(9, 10))
    assert [(one.kind, one.low, one.high, one.side, one.state) for one in marks] == [
        ("liquidation_cluster", price, price, 0, "sampled") for price in (100.0, 101.0, 102.0)
    ]
    assert [one.known_ns for one in marks] == [at(5, 10), at(7, 10), at(9, 10)]
    assert all(0 < one.strength <= 1 and one.formed_ns == one.known_ns - MINUTE_NS for one in marks)
    assert (facts["liquidation_cascade_confirmed"], facts["open_interest_change_share"]) == (None, None)
    happened.on_interest(interest(-2, 1_000.0))
    happened.on_interest(interest(8, 996.0))
    assert happened.facts(at(9, 10))["liquidation_cascade_confirmed"] is False
    happened.on_interest(interest(9, 995.0))
    confirmed = happened.facts(at(9, 10))
    assert confirmed["liquidation_cascade_confirmed"] is True
    assert confirmed["open_interest_change_share"] == pytest.approx(-0.005, rel=1e-12)
    # the first of them is ten minutes old at 15:10
    assert happened.facts(at(15, 9.99))["liquidation_cascade_side"] == side
    assert happened.facts(at(15, 10))["liquidation_cascade_side"] == 0
    assert happened.facts(at(15, 10))["liquidation_clusters"] == 2


@pytest.mark.parametrize(
    ("venue", "feed"),
    [("binance-usdm", "sampled"), ("binance-coinm", "sampled"), ("okx", "sampled"), ("bybit", "complete")],
)
def test_the_layer_says_how_complete_the_feed_is(make, venue, feed):
    layer = OrderFlow.new(EngineConfig())
    layer.on_context(liquidation(0, 0, 10.0, PositionSide.LONG, venue=venue))
    assert layer.happened.facts(at(0))["liquidation_feed"] == feed
    assert layer.happened.facts(at(0))["liquidation_clusters"] == 0
