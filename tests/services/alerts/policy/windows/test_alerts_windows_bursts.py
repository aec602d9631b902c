"""Liquidations: sums by hand, late and repeated ones, when they are told, and how they ebb away."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.conditions.subjects import Kind
from libs.common.events import SECOND_NS, Liquidation, MarkPrice
from services.alerts.policy.watching import Watching
from services.ingest.recording.normalize import Normalizer
from tests.services.alerts.policy.windows.market_events import BTC, LONG, SHORT, liquidation, market, ns, trade


def taken(watching, event):
    (subject,) = watching.take(event)
    return subject


def test_sums_of_thirty_seconds_and_ten_minutes():
    watching = Watching()
    taken(watching, liquidation(0, 300.0))
    taken(watching, liquidation(10, 500.0, SHORT))
    subject = taken(watching, liquidation(35, 200.0))
    assert subject.kind is Kind.LIQUIDATION
    assert subject.key == f"liquidation|okx|{BTC}"
    assert subject.at_ns == ns(35)
    assert subject.facts == {
        "venue": "okx",
        "symbol": BTC,
        "liq_count_30s": 2.0,
        "liq_dominance_30s": 5 / 7,
        "liq_usd_30s": 700.0,
        "liq_long_usd_30s": 200.0,
        "liq_short_usd_30s": 500.0,
        "liq_usd_10m": 1000.0,
        "liq_single_usd": 500.0,
        "cap_group": "majors",
        "storm": False,
    }


def test_what_is_said_twice_counts_once_and_what_is_too_late_not_at_all():
    watching = Watching()
    taken(watching, liquidation(700, 300.0))
    assert watching.take(liquidation(700, 300.0)) == []
    assert watching.take(liquidation(100, 900.0)) == []  # ten minutes ago: out of every window
    assert (watching.tally.repeated, watching.tally.late) == (1, 1)
    subject = taken(watching, liquidation(101, 50.0))  # late, but of the last ten minutes
    assert (subject.at_ns, subject.facts["liq_usd_30s"], subject.facts["liq_usd_10m"]) == (ns(700), 300.0, 350.0)
    subject = taken(watching, liquidation(690, 70.0))
    assert (subject.facts["liq_usd_30s"], subject.facts["liq_usd_10m"]) == (370.0, 420.0)


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_a_number_that_is_none_counts_nothing(size):
    watching = Watching()
    assert watching.take(liquidation(0, size)) == []
    assert watching.tally.damaged == 1


@pytest.mark.parametrize("symbol", ["ETH-BTC", "BTC-EUR", "ETH-USDE-PERP"])
def test_a_market_that_is_not_quoted_in_dollars_has_no_fact_in_dollars(symbol):
    watching = Watching()
    told = [watching.take(liquidation(at_s, 5e6, LONG, symbol)) for at_s in (0, 1)]
    assert told[1][0].facts == {"venue": "okx", "symbol": symbol, "liq_count_30s": 2.0, "liq_dominance_30s": 1.0}
    assert watching.take(trade(2, 5e6, symbol=symbol)) == []


@pytest.mark.parametrize("symbol", ["BTC-USD-PERP", "BTC-USDC", "BTC-USDT-20261225"])
def test_dollars_and_their_coins_are_dollars(symbol):
    assert Watching().take(liquidation(0, 5e6, LONG, symbol))[0].facts["liq_usd_30s"] == 5e6


def test_what_ends_is_heard_to_end_though_nobody_is_liquidated_any_more():
    watching = Watching()
    watching.take(trade(0, 5.0))
    watching.take(liquidation(0.5, 800.0))
    told = {}
    for tenth in range(10, 10_000):
        for subject in watching.take(trade(tenth / 10, 5.0)):
            told[(subject.at_ns - ns(0)) / SECOND_NS] = (
                subject.facts["liq_usd_30s"],
                subject.facts["liq_usd_10m"],
                "liq_single_usd" in subject.facts,
                "liq_dominance_30s" in subject.facts,
            )
    assert told[30.5] == (0.0, 800.0, False, False)
    assert list(told) == [30.5 + 30 * number for number in range(20)]
    assert told[600.5] == (0.0, 0.0, False, False)  # and then there is silence


def test_streams_that_lag_behind_each_other_do_not_run_time_backwards():
    watching, told = Watching(), []
    for second in range(40):
        told += watching.take(trade(second + 0.4, 20_000.0))
        told += watching.take(liquidation(second, 1_000.0 + second))  # two fifths of a second late
        told += watching.take(trade(second + 0.7, 20_000.0))
    times = [subject.at_ns for subject in told]
    assert times == sorted(times)
    assert told[-1].facts["liq_count_30s"] == 30.0
    assert told[-1].facts["prints_count_30s"] == 60.0
    assert len(told) < 40 * 2 + 20


def test_the_mark_price_lets_time_pass_where_nobody_trades():
    watching = Watching()
    watching.take(liquidation(0, 800.0))
    assert watching.take(MarkPrice(**market(29.9, BTC, "okx"), price=1.0)) == []
    (subject,) = watching.take(MarkPrice(**market(30, BTC, "okx"), price=1.0))
    assert subject.facts["liq_usd_30s"] == 0.0
    assert watching.take(MarkPrice(**market(31, "ETH-USDT-PERP", "okx"), price=1.0)) == []
    assert watching.size == 1


def test_a_cascade_within_a_second_is_told_rarely_and_never_five_percent_late():
    watching, told, total = Watching(), [], 0
    for number in range(1_000):
        total += 2_000 - number
        told += watching.take(liquidation(number / 1_001, 2_000.0 - number))
        assert float(told[-1].facts["liq_usd_30s"]) * 1.05 > total
    assert 20 < len(told) < 120
    assert total == 1_500_500
    assert not any(subject.facts["storm"] for subject in told)


def test_a_flag_is_told_at_once():
    watching, told = Watching(), []
    for number in range(100):  # a hundred, none larger than the one before
        told += watching.take(liquidation(number / 1_000, 25_001.0 - number / 100))
    storms = [subject for subject in told if subject.facts["storm"]]
    assert storms[0].facts["liq_count_30s"] == 80.0  # 80 x 25,000 are two millions
    assert len(told) < 80


events = st.lists(st.tuples(st.integers(0, 1_300), st.integers(1, 40), st.booleans()), max_size=60)


@given(events)
def test_sums_are_those_of_brute_force_and_repeats_change_nothing(rows):
    once, twice = Watching(), Watching()
    newest, known = -1, {}
    for at_s, usd, is_long in rows:
        event = liquidation(at_s, float(usd), LONG if is_long else SHORT)
        said = once.take(event)
        twice.take(event)
        assert twice.take(event) == []
        if at_s > newest - 600:
            newest = max(newest, at_s)
            known[at_s, usd, is_long] = usd
        brief = [usd for (at, usd, _), _ in known.items() if at > newest - 30]
        longer = [usd for (at, usd, _), _ in known.items() if at > newest - 600]
        for subject in said:
            assert subject.facts["liq_usd_30s"] == sum(brief)
            assert subject.facts["liq_usd_10m"] == sum(longer)
            assert subject.facts["liq_count_30s"] == len(brief)
            assert subject.facts["liq_single_usd"] == max(brief)
    assert once.markets == twice.markets


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("venue", "name"),
    [("binance-usdm", "binance_usdm/forceOrder_frames.jsonl"), ("bybit", "bybit/liquidation_frames.jsonl")],
)
def test_recorded_liquidations(recordings, venue, name):
    found = Normalizer(venue, [recordings / "raw" / name]).run()
    liquidations = [event for event in found if isinstance(event, Liquidation)]
    assert len(liquidations) >= 5
    newest: dict[str, int] = {}
    watching = Watching()
    for number, event in enumerate(liquidations):
        subjects = watching.take(event)
        before = newest.get(event.symbol, 0)
        if event.event_ns <= before - 600 * SECOND_NS:
            assert subjects == []  # Binance's file ends with a frame of 2020
            continue
        newest[event.symbol] = max(before, event.event_ns)
        same = [one for one in liquidations[: number + 1] if one.symbol == event.symbol]
        times = np.array([one.event_ns for one in same])
        values = np.array([one.price * one.size for one in same])
        recent = (times > times.max() - 30 * SECOND_NS) & (times <= times.max())
        assert subjects[0].facts["liq_usd_30s"] == pytest.approx(values[recent].sum(), abs=1e-5)
        assert subjects[0].facts["liq_count_30s"] == recent.sum()
        assert subjects[0].facts["liq_single_usd"] == pytest.approx(values[recent].max(), abs=1e-6)
    assert watching.tally.late == (1 if venue == "binance-usdm" else 0)
    assert watching.tally.repeated == watching.tally.dropped == 0
