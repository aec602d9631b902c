"""The regime over real candles, and its latches by hand."""

from itertools import pairwise

import polars as pl
import pytest

from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Indicators, Values
from services.signals.engine.parameters.regime import RegimeParameters
from services.signals.engine.regime import Regime

WORDS = {"trend", "range", "volatile", "quiet"}
WARM = 27 + RegimeParameters().least_bars


def bars(recordings, file, scale=1.0, most=3000):
    rows = pl.read_ipc(recordings / "ohlcv" / "binance_spot_2024" / f"{file}.feather").head(most)
    columns = rows.select("open", "high", "low", "close", "volume")
    return [
        Bar(n, o * scale, h * scale, low * scale, c * scale, v)
        for n, (o, h, low, c, v) in enumerate(columns.iter_rows())
    ]


def words(run):
    indicators, regime, said = Indicators(), Regime.new(EngineConfig()), []
    for bar in run:
        regime.on_bar(bar, indicators.add(bar))
        said.append(regime.word)
    return said


@pytest.mark.recordings
@pytest.mark.parametrize("file", ["BTC_USDT-1h", "1000SATS_USDT-1h", "ETH_USDT-5m"])
def test_all_four_words_occur_and_none_flickers(recordings, file):
    said = words(bars(recordings, file))
    assert said[: WARM - 1] == [None] * (WARM - 1)
    assert set(said[WARM - 1 :]) == WORDS
    assert all(said.count(word) >= 0.05 * len(said) for word in WORDS)
    changes = [n for n, (before, after) in enumerate(pairwise(said[WARM:])) if before != after]
    assert len(changes) <= 0.07 * len(said)
    assert min(later - earlier for earlier, later in pairwise(changes)) >= 3


@pytest.mark.recordings
def test_nothing_later_changes_a_word_and_the_scale_of_prices_does_not(recordings):
    run = bars(recordings, "BTC_USDT-1h", most=1200)
    said = words(run)
    poisoned = [*run[:700], *(Bar(bar.open_ns, 1.0, 9e9, 1e-9, 5.0, 0.0) for bar in run[700:])]
    assert words(poisoned)[:700] == said[:700]
    assert words(bars(recordings, "BTC_USDT-1h", 2.0**-20, 1200)) == said
    assert words(run[::-1]) != said


def feed(regime, n, adx, atr):
    """One bar at price 100 whose band width goes with the ATR."""
    values = Values(open_ns=n, close=100.0, adx_14=adx, atr_14=atr, bb_width=atr / 10)
    regime.on_bar(Bar(n, 100.0, 100.0, 100.0, 100.0, 1.0), values)
    return regime.word


def test_a_trend_begins_above_25_and_ends_below_20_after_three_bars():
    regime = Regime.new(EngineConfig())
    atrs = [1.0 + n % 7 / 10 for n in range(400)]
    for n in range(100):
        feed(regime, n, 15.0, atrs[n])
    # an ATR in the middle of its window, so that only the ADX speaks
    assert [feed(regime, n, 15.0, 1.3) for n in range(100, 110)][-1] == "range"
    assert [feed(regime, n, 24.9, 1.3) for n in range(110, 120)][-1] == "range"
    assert [feed(regime, n, 25.0, 1.3) for n in range(120, 123)] == ["range", "range", "trend"]
    assert {feed(regime, n, 20.1, 1.3) for n in range(123, 140)} == {"trend"}
    assert [feed(regime, n, 19.9, 1.3) for n in range(140, 143)] == ["trend", "trend", "range"]
    assert regime.facts()["regime_bars"] == 1


def test_an_interrupted_request_starts_anew_and_is_told():
    regime = Regime.new(EngineConfig())
    for n in range(100):
        feed(regime, n, 15.0, 1.0 + n % 7 / 10)
    for n in range(100, 110):
        feed(regime, n, 15.0, 1.3)
    assert [feed(regime, 110 + n, adx, 1.3) for n, adx in enumerate([30, 30, 10, 30, 30])] == ["range"] * 5
    assert regime.facts()["regime_asked"] == "trend"
    assert (regime.facts()["regime"], regime.facts()["regime_adx_14"]) == ("range", 30)


def test_wide_ranges_are_volatile_before_they_are_a_trend_and_narrow_ones_quiet():
    regime = Regime.new(EngineConfig())
    for n in range(100):
        feed(regime, n, 15.0, 1.0 + n % 7 / 10)
    assert [feed(regime, n, 40.0, 5.0) for n in range(100, 103)][-1] == "volatile"
    assert [feed(regime, n, 10.0, 0.1 - n / 10_000) for n in range(103, 106)][-1] == "quiet"


def test_bars_without_range_have_no_word_that_they_cannot_show():
    said = words([Bar(n, 5.0, 5.0, 5.0, 5.0, 0.0) for n in range(200)])
    assert set(said) == {None, "range"}
