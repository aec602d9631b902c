"""Vendors' numbers: units and names of the common catalogue, one story a coin, whales of ten minutes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.conditions.subjects import Kind
from libs.common.events.catalogue import MARKET_WIDE, METRICS
from services.alerts.policy.watching import Watching
from services.alerts.policy.windows.vendors import MOMENTS
from tests.services.alerts.policy.windows.market_events import BTC, metric, ns

STATES = sorted(set(METRICS) - MOMENTS)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_vendors_number_is_a_fact_of_its_own_name(name):
    subjects = Watching().take(metric(0, name, 12.5))
    (subject,) = [one for one in subjects if one.kind is Kind.METRIC]
    assert subject.facts == {"venue": "coinglass", "symbol": BTC, name: 12.5}
    assert subject.at_ns == ns(0)


def test_numbers_of_one_vendor_and_symbol_are_told_together():
    watching = Watching()
    watching.take(metric(0, "galaxy_score", 60.0, venue="lunarcrush"))
    watching.take(metric(5, "fear_greed", 20.0, venue="alternative"))
    (subject,) = watching.take(metric(10, "social_sentiment", 0.8, venue="lunarcrush"))
    assert subject.facts == {"venue": "lunarcrush", "symbol": BTC, "galaxy_score": 60.0, "social_sentiment": 0.8}


def test_a_number_about_a_coin_is_one_story_for_all_its_markets_and_of_each_exchange_another():
    watching = Watching()
    keys = [
        subject.key
        for symbol, exchange in (
            (BTC, None),
            ("BTC-USDT", None),
            (BTC, "Binance"),
            ("ETH-USDT", None),
            (MARKET_WIDE, None),
        )
        for subject in watching.take(metric(0, "exchange_balance", 5.0, symbol=symbol, exchange=exchange))
    ]
    assert keys == [
        "metric|coinglass|BTC|",
        "metric|coinglass|BTC|",
        "metric|coinglass|BTC|Binance",
        "metric|coinglass|ETH|",
        "metric|coinglass|*|",
    ]


def test_what_the_vendor_lacks_and_what_is_two_days_old_is_left_out():
    watching = Watching()
    watching.take(metric(0, "accounts_long", 0.5))
    watching.take(metric(0, "accounts_short", 0.5))
    assert watching.take(metric(1, "accounts_short", None, cause="no key")) == []
    (subject,) = watching.take(metric(172_799, "etf_flow", -1e6))
    assert {"accounts_long", "etf_flow"} == set(subject.facts) - {"venue", "symbol"}
    (subject,) = watching.take(metric(172_800, "etf_flow", -2e6))
    assert {"etf_flow"} == set(subject.facts) - {"venue", "symbol"}


def test_repeated_is_told_once_changed_again_and_late_never():
    watching = Watching()
    assert watching.take(metric(10, "etf_flow", 5.0))
    assert watching.take(metric(10, "etf_flow", 5.0)) == []
    assert watching.take(metric(10, "etf_flow", 6.0))  # the vendor corrected itself
    assert watching.take(metric(9, "etf_flow", 7.0)) == []
    assert watching.take(metric(11, "of_nobody", 7.0)) == []
    assert watching.take(metric(11, "etf_flow", float("nan"))) == []
    assert (watching.tally.repeated, watching.tally.late, watching.tally.damaged) == (1, 1, 2)


def test_moments_are_stories_of_their_own_and_leave_nothing_behind():
    watching = Watching()
    (first,) = watching.take(metric(0, "liquidation_order_long", 7e5, exchange="OKX"))
    (second,) = watching.take(metric(1, "liquidation_order_long", 7e5, exchange="OKX"))
    assert first.key != second.key
    assert first.facts == {"venue": "coinglass", "symbol": BTC, "exchange": "OKX", "liquidation_order_long": 7e5}
    assert watching.take(metric(1, "liquidation_order_long", 7e5, exchange="OKX")) == []
    (state,) = watching.take(metric(2, "accounts_long", 0.5))
    assert "liquidation_order_long" not in state.facts


def test_what_whales_moved_in_ten_minutes():
    watching = Watching()
    moved = [
        (0, "whale_long_opened", 4e6),
        (60, "whale_long_closed", 1e6),
        (599, "whale_short_opened", 2e6),
        (600, "whale_short_closed", 5e5),
        (60, "whale_short_closed", 25.0),
    ]
    sums = [
        one.facts["whale_usd_10m"]
        for at_s, name, usd in moved
        for one in watching.take(metric(at_s, name, usd))
        if one.kind is Kind.WHALE
    ]
    assert sums == [4e6, 5e6, 7e6, 3.5e6, 3.5e6 + 25]
    assert [one.kind for one in watching.take(metric(0, "whale_long_opened", 9.0))] == [Kind.METRIC]
    assert watching.tally.late == 1


def test_a_whale_that_moved_nothing_is_none():
    watching = Watching()
    assert [one.kind for one in watching.take(metric(0, "whale_long_opened", 0.0))] == [Kind.METRIC]
    assert watching.tally.damaged == 1


def test_exchanges_are_bounded():
    watching = Watching()
    told = [watching.take(metric(0, "exchange_balance", 1.0, exchange=str(number))) for number in range(70)]
    assert sum(map(len, told)) == 64
    assert watching.tally.refused == 6


values = st.one_of(st.none(), st.integers(-3, 3).map(float))


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(STATES[:3]), values), max_size=40))
def test_facts_are_the_newest_of_each_name(rows):
    newest: dict[str, Any] = {}
    watching = Watching()
    for at_s, name, value in rows:
        subjects = watching.take(metric(at_s, name, value))
        if value is None:
            newest.pop(name, None)
            assert subjects == []
        elif name not in newest or (at_s >= newest[name][0] and (at_s, value) != newest[name]):
            newest[name] = (at_s, value)
            assert {**subjects[0].facts} == {
                "venue": "coinglass",
                "symbol": BTC,
                **{known: number for known, (_, number) in newest.items()},
            }
        else:
            assert subjects == []
