"""Eight factors: thresholds by hand, mirrored markets, units, freshness, coverage, bounds and causality."""

from math import isclose
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import (
    FundingRate,
    Liquidation,
    Metric,
    OpenInterest,
    PositionSide,
    Source,
    Timeframe,
)
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.factors.factor import climb, freshness
from services.signals.engine.factors.heard import Momentum
from services.signals.engine.factors.series import Series
from services.signals.engine.factors.table import FACTORS
from services.signals.engine.layers.factors import Factors
from services.signals.engine.parameters.factors import FactorsParameters

HOUR = 3_600 * 10**9
DAY = 24 * HOUR
NOW = 20_000 * DAY
TOLD = FactorsParameters()
AT: dict[str, Any] = {"venue": "okx", "symbol": "BTC-USDT-PERP"}


def metric(name, value, at_ns=NOW, *, cause=None, interval_s=None, venue="coinglass"):
    return Metric(
        venue=venue,
        symbol=AT["symbol"],
        event_ns=at_ns,
        received_ns=at_ns,
        name=name,
        unit="points",
        value=value,
        cause=cause,
        interval_s=interval_s,
    )


def liquidation(side, notional, at_ns=NOW):
    return Liquidation(**AT, event_ns=at_ns, received_ns=at_ns, price=1.0, size=notional, liquidated=side)


def rate(value, at_ns=NOW, interval_s=28_800):
    return FundingRate(**AT, event_ns=at_ns, received_ns=at_ns, rate=value, interval_s=interval_s)


def interest(value, at_ns):
    return OpenInterest(**AT, event_ns=at_ns, received_ns=at_ns, base=value)


def heard(*events):
    layer = Factors.new(EngineConfig())
    for event in events:
        layer.on_context(event)
    return layer


def facts(*events, as_of_ns=NOW):
    return heard(*events).read(as_of_ns).facts


def priced(layer, change, at_ns=NOW):
    """Let the price move by `change` within the day before `at_ns`."""
    step = Timeframe.H1.ns
    prices = [100.0 * (1 + change * n / 24) for n in range(25)]
    run = [
        Bar(at_ns - (25 - n) * step, price, price, price, price, 1.0, Source.TRADES) for n, price in enumerate(prices)
    ]
    layer.heard.close(Timeframe.H1, at_ns, prices[-1], run)
    layer.heard.close(Timeframe.M15, at_ns, prices[-1], [])


def test_the_weights_are_those_of_the_issue_and_sum_to_100():
    assert [(row.name, row.weight) for row in FACTORS] == [
        ("liquidations", 24),
        ("momentum", 20),
        ("funding", 18),
        ("long_short", 11),
        ("smart_money", 11),
        ("open_interest", 6),
        ("social", 6),
        ("fear_greed", 4),
    ]
    assert sum(row.weight for row in FACTORS) == 100


@pytest.mark.parametrize(
    ("per_8h", "score"),
    [(0.0, 0.0), (0.0005, 0.0), (0.0006, -0.4), (0.002, -0.4), (0.0021, -0.7), (0.05, -0.7), (-0.0006, 0.4)],
)
def test_funding_is_a_fraction_and_contrarian(per_8h, score):
    assert facts(rate(per_8h))["funding_score"] == score
    assert facts(rate(-per_8h))["funding_score"] == -score


def test_an_ordinary_rate_is_no_extreme_as_it_was_when_fractions_were_taken_for_percent():
    found = facts(rate(0.0001))
    assert found["funding_score"] == 0.0
    assert isclose(found["funding_rate_8h"], 0.0001)


def test_funding_is_brought_to_eight_hours_only_where_the_interval_is_known():
    hourly = facts(rate(0.0001, interval_s=3_600))
    assert isclose(hourly["funding_rate_8h"], 0.0008)
    assert hourly["funding_score"] == -0.4
    unknown = facts(rate(0.0001, interval_s=None))
    assert (unknown["funding_rate_8h"], unknown["funding_interval_s"]) == (None, None)
    assert (unknown["funding_rate_per_interval"], unknown["funding_score"]) == (0.0001, 0.0)


def test_the_venues_rate_counts_before_a_vendors_which_stands_in_when_it_is_stale():
    vendor = metric("funding_rate_oi_weighted", 0.003)
    assert facts(rate(0.0), vendor)["funding_source"] == "venue"
    found = facts(rate(0.0, NOW - 9 * HOUR), vendor)
    assert (found["funding_source"], found["funding_score"]) == ("coinglass|", -0.7)
    assert facts(rate(0.0, NOW - 9 * HOUR))["funding_cause"] == "stale"


@pytest.mark.parametrize(
    ("longs", "shorts", "score"), [(50, 50, 0.0), (55, 45, 0.0), (56, 44, 0.4), (44, 56, -0.4), (100, 0, 0.4)]
)
def test_liquidations_are_contrarian_over_the_vendors_day(longs, shorts, score):
    rows = [
        metric(f"liquidations_{side}", float(value), NOW - n * 4 * HOUR, interval_s=4 * 3_600)
        for n in range(8)
        for side, value in (("long", longs), ("short", shorts))
    ]
    found = facts(*rows)
    assert found["liquidations_score"] == score
    assert found["liquidated_long_24h_quote"] == 6 * longs
    assert (found["liquidations_covered"], found["liquidations_confidence"]) == (1.0, 1.0)


def test_liquidations_of_the_venue_are_counted_once_and_only_those_of_a_day():
    longs = [liquidation(PositionSide.LONG, 10.0 + n, NOW - n * HOUR) for n in range(1, 6)]
    old = [liquidation(PositionSide.SHORT, 1e6, NOW - 25 * HOUR)]
    found = facts(*old, *reversed(longs), *longs)
    assert found["liquidation_orders"] == 5
    assert found["liquidated_long_24h_quote"] == 65.0
    assert (found["liquidated_long_share"], found["liquidations_score"]) == (1.0, 0.4)
    assert facts(*longs[:4])["liquidations_cause"] == "too_few"
    assert facts(*old)["liquidations_cause"] == "stale"


def test_a_day_that_is_heard_in_part_is_believed_in_part():
    found = facts(*[liquidation(PositionSide.LONG, 10.0 + n, NOW - 6 * HOUR) for n in range(5)])
    assert isclose(found["liquidations_covered"], 0.25)
    assert isclose(found["liquidations_confidence"], 0.25)


@pytest.mark.parametrize(
    ("share", "score"), [(0.5, 0.0), (0.55, 0.0), (0.56, -0.2), (0.64, -0.2), (0.66, -0.5), (0.44, 0.2), (0.34, 0.5)]
)
def test_a_crowd_that_is_long_is_bearish(share, score):
    assert facts(metric("accounts_long", share))["long_short_score"] == score
    ratio = facts(metric("accounts_long_short_ratio", share / (1 - share)))
    assert isclose(ratio["accounts_long_share"], share)


@pytest.mark.parametrize(("share", "score"), [(0.5, 0.0), (0.53, 0.2), (0.61, 0.4), (0.47, -0.2), (0.39, -0.4)])
def test_the_largest_accounts_are_followed(share, score):
    found = facts(metric("top_positions_long", share))
    assert (found["smart_money_score"], found["top_positions_long_share"]) == (score, share)


@pytest.mark.parametrize(
    ("grown", "moved", "score"),
    [
        (0.06, 0.02, 0.5),
        (0.06, -0.02, -0.5),
        (0.02, 0.02, 0.2),
        (0.02, -0.02, -0.2),
        (-0.06, -0.02, 0.5),
        (-0.06, 0.02, -0.5),
        (0.06, 0.004, 0.0),
        (0.005, 0.02, 0.0),
    ],
)
def test_open_interest_is_judged_with_the_direction_of_price(grown, moved, score):
    layer = heard(interest(100.0, NOW - DAY), interest(100.0 * (1 + grown), NOW))
    priced(layer, moved)
    found = layer.read(NOW).facts
    assert found["open_interest_score"] == score
    assert isclose(found["open_interest_change_24h"], grown, abs_tol=1e-12)
    assert isclose(found["price_change_24h"], moved, abs_tol=1e-12)


def test_open_interest_waits_for_a_day_and_for_prices():
    assert facts(interest(1.0, NOW))["open_interest_cause"] == "warming_up"
    assert facts(interest(1.0, NOW - DAY), interest(2.0, NOW))["open_interest_cause"] == "price_warming_up"
    assert facts(interest(1.0, NOW - 3 * HOUR))["open_interest_cause"] == "stale"


def test_a_vendors_open_interest_in_money_is_freed_of_the_price():
    layer = heard(metric("open_interest", 100.0, NOW - DAY), metric("open_interest", 110.0, NOW))
    priced(layer, 0.1)
    found = layer.read(NOW).facts
    assert isclose(found["open_interest_change_24h"], 0.0, abs_tol=1e-12)
    assert found["open_interest_score"] == 0.0


@pytest.mark.parametrize(("points", "score"), [(50, 0.0), (75, 0.0), (76, -0.5), (25, 0.0), (24, 0.5), (100, -0.5)])
def test_extreme_greed_is_bearish(points, score):
    assert facts(metric("fear_greed", float(points)))["fear_greed_score"] == score


def test_social_is_linear_around_its_middle():
    assert facts(metric("galaxy_score", 75.0))["social_score"] == 0.5
    assert isclose(facts(metric("social_sentiment", 0.2))["social_score"], -0.6)
    assert facts(metric("galaxy_score", 75.0), metric("social_sentiment", 0.2))["social_score"] == 0.5


def test_what_is_absent_says_the_vendors_cause_then_stale_then_not_heard():
    assert facts(metric("fear_greed", None, cause="no key"))["fear_greed_cause"] == "no key"
    assert facts(metric("fear_greed", 90.0, NOW - 2 * DAY))["fear_greed_cause"] == "stale"
    assert facts()["fear_greed_cause"] == "not_heard"
    assert facts(metric("fear_greed", 90.0), metric("fear_greed", None, cause="HTTP 500"))["fear_greed_score"] == -0.5


def test_what_a_vendor_says_again_replaces_and_the_future_is_not_used():
    assert facts(metric("fear_greed", 90.0), metric("fear_greed", 10.0))["fear_greed_points"] == 10.0
    layer = heard(metric("fear_greed", 90.0, NOW), *[metric("fear_greed", 10.0, NOW + n) for n in range(1, 50)])
    layer.heard.known_ns = NOW
    assert layer.read(NOW + 100).facts["fear_greed_points"] == 10.0
    late = Series(8)
    for n in range(50):
        late.put(NOW + n, float(n), NOW)
    assert late.at(NOW) == (NOW, 0.0)
    assert (len(late.times), late.dropped) == (8, 42)


def momentum(layer, score, confidence=1.0):
    layer.heard.momentum = Momentum(NOW, score, confidence, None)


def full(sign=1.0):
    """Every factor present, all on one side; `sign` mirrors the market."""
    side = PositionSide.LONG if sign > 0 else PositionSide.SHORT
    layer = heard(
        *[liquidation(side, 10.0 + n, NOW - DAY + 1) for n in range(5)],
        *[liquidation(side, 20.0 + n, NOW - HOUR) for n in range(5)],
        rate(-0.003 * sign),
        metric("accounts_long", 0.5 - 0.2 * sign),
        metric("top_positions_long", 0.5 + 0.2 * sign),
        interest(100.0, NOW - DAY),
        interest(110.0, NOW),
        metric("galaxy_score", 50 + 40 * sign),
        metric("fear_greed", 50 - 40 * sign),
    )
    priced(layer, 0.02 * sign)
    momentum(layer, 0.6 * sign)
    return layer


def test_the_total_is_the_weighted_mean_by_hand():
    opinion = full().read(NOW)
    by_hand = (24 * 0.4 + 20 * 0.6 + 18 * 0.7 + 11 * 0.5 + 11 * 0.4 + 6 * 0.5 + 6 * 0.8 + 4 * 0.5) / 100
    assert isclose(opinion.score, by_hand)
    assert isclose(opinion.facts["score_100"], 50 + 50 * by_hand)
    assert (opinion.facts["coverage"], opinion.facts["agreement"]) == (1.0, pytest.approx(1.0))


def test_a_mirrored_market_has_the_mirrored_score_and_the_same_confidence():
    up, down = full().read(NOW), full(-1.0).read(NOW)
    assert isclose(up.score, -down.score)
    assert isclose(up.confidence, down.confidence)


def test_confidence_does_not_measure_weights():
    """Equal scores of unequal weights agree entirely; a variance of weighted contributions says they do not."""
    layer = heard(rate(-0.001), metric("fear_greed", 50.0), metric("accounts_long", 0.5))
    momentum(layer, 0.4)
    opinion = layer.read(NOW)
    assert opinion.facts["coverage"] == 0.53
    assert isclose(opinion.score, (20 * 0.4 + 18 * 0.4) / 53)
    assert (opinion.facts["agreement"], opinion.confidence) == (1.0, 0.53)
    momentum(layer, -0.4)
    assert layer.read(NOW).confidence < 0.3


def test_below_half_of_the_weights_it_abstains_with_its_facts():
    layer = heard(rate(-0.001))
    momentum(layer, 0.4)
    opinion = layer.read(NOW)
    assert (opinion.confidence, opinion.score, opinion.facts["cause"]) == (0.0, 0.0, "coverage")
    assert opinion.facts["coverage"] == 0.38
    assert opinion.facts["funding_score"] == 0.4


def test_momentum_grows_stale():
    layer = full()
    assert layer.read(NOW + HOUR).facts["momentum_cause"] == "stale"
    layer.heard.momentum = Momentum(NOW, 0.0, 0.0, "warming_up")
    assert layer.read(NOW).facts["momentum_cause"] == "warming_up"


@given(st.floats(-10, 10))
def test_climbing_is_odd_and_bounded(distance):
    for rungs in (TOLD.funding_rungs, TOLD.account_rungs, TOLD.position_rungs, TOLD.interest_rungs, TOLD.mood_rungs):
        assert climb(-distance, rungs) == -climb(distance, rungs)
        assert abs(climb(distance, rungs)) <= 1


def test_freshness_by_hand():
    assert [freshness(0, age, 100) for age in (0, 50, 75, 100, 200)] == [1.0, 1.0, 0.5, 0.0, 0.0]


EVENTS = st.one_of(
    st.builds(
        metric,
        st.sampled_from(["fear_greed", "accounts_long", "open_interest", "galaxy_score", "liquidations_long"]),
        st.one_of(st.none(), st.floats(0, 1e6)),
        st.integers(NOW - 2 * DAY, NOW + HOUR),
        interval_s=st.sampled_from([None, 3_600]),
        venue=st.sampled_from(["a", "b", "c", "d", "e", "f"]),
    ),
    st.builds(rate, st.floats(-0.1, 0.1), st.integers(NOW - DAY, NOW + HOUR), st.sampled_from([None, 3_600, 28_800])),
    st.builds(interest, st.floats(1e-6, 1e9), st.integers(NOW - 2 * DAY, NOW + HOUR)),
    st.builds(liquidation, st.sampled_from(list(PositionSide)), st.floats(1e-6, 1e9), st.integers(NOW - 2 * DAY, NOW)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, max_size=60), st.integers(0, 60))
def test_any_events_leave_bounds_and_a_state_that_continues(events, cut):
    whole = heard(*events)
    opinion = whole.read(NOW)
    assert -1 <= opinion.score <= 1
    assert 0 <= opinion.confidence <= 1
    packed = msgspec.msgpack.encode(heard(*events[:cut]))
    again = msgspec.msgpack.decode(packed, type=Factors)
    for event in events[cut:]:
        again.on_context(event)
    assert msgspec.msgpack.encode(again) == msgspec.msgpack.encode(whole)
    assert again.read(NOW) == opinion


@settings(max_examples=40, deadline=None)
@given(st.lists(EVENTS, max_size=40))
def test_what_lies_after_the_moment_changes_nothing(events):
    past = [event for event in events if event.event_ns <= NOW]
    poison = [rate(9.0, NOW + 1), metric("fear_greed", 99.0, NOW + 1), interest(9e9, NOW + 1)]
    one, two = heard(*past), heard(*past, *poison)
    assert one.read(NOW) == two.read(NOW)
