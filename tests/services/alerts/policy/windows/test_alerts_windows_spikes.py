"""Spikes: five closed minutes by hand, and against the vendor's own five-minute candles."""

import statistics

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.conditions.subjects import Kind
from libs.common.events import MINUTE_NS, Candle, Origin, Source, Timeframe
from services.alerts.policy.watching import Watching
from tests.services.alerts.policy.windows.market_events import BTC, minute, ns


def changes(candles):
    watching = Watching()
    return [one.facts.get("price_change_5m") for candle in candles for one in watching.take(candle)]


def test_the_change_of_five_minutes_is_from_close_to_close():
    closes = [100.0, 101.0, 99.0, 100.0, 100.0, 103.0, 95.0]
    watching = Watching()
    told = [one for number, close in enumerate(closes) for one in watching.take(minute(number, close))]
    assert [one.facts["price_change_5m"] for one in told] == [pytest.approx(0.03), pytest.approx(95 / 101 - 1)]
    assert [one.at_ns for one in told] == [ns(360), ns(420)]
    assert (told[0].kind, told[0].key) == (Kind.SPIKE, f"spike|okx|{BTC}")
    assert "volume_ratio_5m" not in told[0].facts  # there was no day of volumes yet


@pytest.mark.parametrize("unsaid", [{"closed": False}, {"complete": False}, {"timeframe": Timeframe.M5}])
def test_forming_and_incomplete_candles_and_other_lengths_count_nothing(unsaid):
    flat = [minute(number, 100.0) for number in range(6)]
    assert changes([*flat, minute(6, 150.0, **unsaid), minute(6, 101.0)]) == [0.0, pytest.approx(0.01)]
    assert changes([*flat, minute(6, 150.0, **unsaid)]) == [0.0]


def test_a_hole_leaves_the_change_absent_for_six_minutes():
    numbers = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]
    assert changes(minute(number, 100.0 + number) for number in numbers) == [
        pytest.approx(0.05),
        pytest.approx(112 / 107 - 1),
    ]


def test_a_minute_that_is_said_again_is_not_another_one():
    watching = Watching()
    for number in range(6):
        watching.take(minute(number, 100.0))
    assert watching.take(minute(5, 200.0, source=Source.REST)) == []
    assert watching.take(minute(3, 200.0)) == []
    assert watching.take(minute(-9, 200.0)) == []
    assert (watching.tally.repeated, watching.tally.late) == (2, 1)


def test_the_past_by_rest_fills_the_windows_and_is_not_told():
    watching = Watching()
    for number in range(8):
        assert watching.take(minute(number, 100.0 * (1 + number), known_after_s=301)) == []
    assert len(watching.take(minute(8, 900.0, known_after_s=300))) == 1


@pytest.mark.parametrize(
    "damage", [{"close": float("nan")}, {"close": 0.0}, {"volume": float("inf")}, {"volume": -1.0}]
)
def test_damaged_candles_count_nothing(damage):
    watching = Watching()
    assert watching.take(minute(0, **{"close": 1.0, **damage})) == []
    assert watching.tally.damaged == 1


def test_the_ratio_of_volumes_is_to_the_median_of_the_day_before():
    watching, ratios = Watching(), {}
    for number in range(288 * 5 + 30):
        spike = 3.0 if number == 288 * 5 + 20 else 1.0
        for subject in watching.take(minute(number, 100.0, volume=spike)):
            if "volume_ratio_5m" in subject.facts:
                ratios[number] = subject.facts["volume_ratio_5m"]
    # T0 is the last minute of a bar: 288 whole ones are over with minute 1,440
    assert min(ratios) == 1_441
    assert ratios[288 * 5 + 10] == 1.0
    assert [ratios[288 * 5 + 20 + after] for after in (0, 4, 5)] == [1.4, 1.4, 1.0]


def test_without_any_volume_there_is_no_ratio():
    watching = Watching()
    told = [one for number in range(1_500) for one in watching.take(minute(number, 100.0, volume=0.0))]
    assert not [one for one in told if "volume_ratio_5m" in one.facts]


@given(st.lists(st.tuples(st.integers(-2, 3), st.integers(1, 5)), max_size=60))
def test_the_window_is_bounded_and_never_spans_a_hole(steps):
    watching, at, closes, newest = Watching(), 0, {}, None
    for step, close in steps:
        at += step
        told = watching.take(minute(at, float(close)))
        if newest is None or at > newest:
            closes[at], newest = close, at
            whole = all(at - back in closes for back in range(6))
            assert len(told) == whole
            if whole:
                assert told[0].facts["price_change_5m"] == close / closes[at - 5] - 1
        else:
            assert told == []
    spikes = watching.markets["okx"][BTC].spikes if steps else None
    assert spikes is None or len(spikes.closes) == len(spikes.opens_ns) == len(spikes.volumes) <= 6


@pytest.mark.recordings
def test_recorded_minutes_against_the_vendors_own_five_minutes(recordings):
    """A month of Bybit's BTC perpetual: at each end of a five-minute candle, from its native 5m file."""
    folder = recordings / "ohlcv/bybit_linear_2025"
    read = {name: pl.read_csv(folder / f"BTCUSDT_{name}.csv.gz") for name in ("1m", "5m")}
    times = {
        name: frame["timestamp"].str.to_datetime("%Y-%m-%d %H:%M:%S%z").dt.epoch("ns").to_list()
        for name, frame in read.items()
    }
    watching, told = Watching(), {}
    for open_ns, row in zip(times["1m"], read["1m"].iter_rows(named=True), strict=True):
        prices = {name: row[name] for name in ("open", "high", "low", "close", "volume")}
        candle = Candle(
            venue="bybit",
            symbol=BTC,
            event_ns=open_ns + MINUTE_NS,
            received_ns=0,
            origin=Origin.RECORDED,
            timeframe=Timeframe.M1,
            open_ns=open_ns,
            **prices,
        )
        for subject in watching.take(candle):
            told[subject.at_ns] = subject.facts
    closes, volumes = read["5m"]["close"].to_list(), read["5m"]["volume"].to_list()
    checked = 0
    for number in range(300, len(closes) - 1):  # the file's last candle is partial
        facts = told[times["5m"][number] + 5 * MINUTE_NS]
        assert facts["price_change_5m"] == pytest.approx(closes[number] / closes[number - 1] - 1, abs=1e-12)
        median = statistics.median(volumes[number - 288 : number])
        assert facts["volume_ratio_5m"] == pytest.approx(volumes[number] / median)
        checked += 1
    assert checked > 8_000
    assert len(told) == len(times["1m"]) - 5
