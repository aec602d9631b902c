import math
import random

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Indicators
from services.signals.engine.layers.layer import Close
from services.signals.engine.layers.technicals import Technicals
from services.signals.engine.regime import Regime


def at(values, bars, layer=None, regime=None):
    close = Close(
        timeframe=Timeframe.M1,
        close_ns=0,
        price=values.close,
        values=values,
        bars=bars,
        run=(),
        ticks={},
        views={},
        forming={},
        marks=(),
        regime=regime,
    )
    return (layer or Technicals.new(EngineConfig())).read(close)


def opinion(closes, width=0.001):
    indicators = Indicators()
    for n, close in enumerate(closes):
        open_ = closes[n - 1] if n else close
        high, low = max(open_, close) * (1 + width), min(open_, close) * (1 - width)
        indicators.add(Bar(n, open_, high, low, close, 1.0))
    assert indicators.values
    return at(indicators.values, indicators.bars)


def test_warms_up_for_34_bars_and_is_sure_after_200():
    closes = [100 + math.sin(n) for n in range(300)]
    assert opinion(closes[:33]).facts == {"cause": "warming_up", "bars": 33}
    assert opinion(closes[:20]).facts["cause"] == "warming_up"
    assert opinion(closes[:34]).confidence == 34 / 200
    assert opinion(closes).confidence == 1.0


def test_follows_a_trend_and_fades_a_stretch_in_a_quiet_market():
    rising = opinion([100 * 1.001**n for n in range(250)])
    falling = opinion([100 * 0.999**n for n in range(250)])
    assert rising.score > 0.5
    assert falling.score < -0.5
    noise = random.Random(3)
    quiet = [100 + noise.gauss(0, 0.05) for _ in range(250)]
    spike = opinion([*quiet, 100.6])
    assert spike.facts["band_deviations"] > 2
    assert spike.facts["reversion"] < 0


def test_a_market_without_any_range_says_nothing():
    assert opinion([100.0] * 60, width=0.0).facts["cause"] == "no_range"


def test_the_scale_of_prices_does_not_matter():
    chance = random.Random(5)
    closes = [100 + sum(chance.gauss(0, 1) for _ in range(4)) for _ in range(260)]
    assert opinion([close * 1e-6 for close in closes]).score == pytest.approx(opinion(closes).score, rel=1e-9)


def test_the_mirrored_market_gets_the_mirrored_score():
    chance = random.Random(7)
    steps = [chance.gauss(0.02, 0.3) for _ in range(260)]
    up, down = Indicators(), Indicators()
    price = mirrored = 1000.0
    for n, step in enumerate(steps):
        before, price = price, price + step
        before_mirrored, mirrored = mirrored, mirrored - step
        up.add(Bar(n, before, max(before, price) + 0.1, min(before, price) - 0.2, price, 1.0))
        down.add(
            Bar(
                n,
                before_mirrored,
                max(before_mirrored, mirrored) + 0.2,
                min(before_mirrored, mirrored) - 0.1,
                mirrored,
                1.0,
            )
        )
    assert up.values
    assert down.values
    there, back = at(up.values, 260), at(down.values, 260)
    assert there.score == pytest.approx(-back.score, abs=1e-9)
    assert there.score != 0


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=90))
def test_every_score_is_bounded_for_any_closes(closes):
    read = opinion(closes)
    assert -1 <= read.score <= 1
    assert 0 <= read.confidence <= 1
    assert not any(isinstance(fact, float) and not math.isfinite(fact) for fact in read.facts.values())


def again(state):
    """Return the state that its bytes tell, whose bytes are the same."""
    dump = msgspec.msgpack.encode(state)
    back = msgspec.msgpack.decode(dump, type=type(state))
    assert msgspec.msgpack.encode(back) == dump
    return back


def read_run(run, *, timeframe=Timeframe.H1, config=None):
    """Play bars through indicators, regime and layer; return the opinion at each close."""
    config = config or EngineConfig()
    indicators, regime, layer, opinions = Indicators(), Regime.new(config), Technicals.new(config), []
    for bar in run:
        values = indicators.add(bar)
        regime.on_bar(bar, values)
        layer.on_bar(bar, values, bar.open_ns + timeframe.ns)
        opinions.append(at(values, indicators.bars, layer, regime.word))
    return opinions


def candles(recordings, file, scale=1.0, most=900):
    rows = pl.read_ipc(recordings / "ohlcv" / "binance_spot_2024" / f"{file}.feather").head(most)
    columns = rows.select(pl.col("date").dt.epoch("ns"), "open", "high", "low", "close", "volume")
    return [Bar(ns, o * scale, h * scale, low * scale, c * scale, v) for ns, o, h, low, c, v in columns.iter_rows()]


@pytest.mark.recordings
@pytest.mark.parametrize("file", ["BTC_USDT-1h", "1000SATS_USDT-1h", "PEPE_USDT-1d"])
def test_real_candles_are_read_alike_at_any_scale_and_without_the_future(recordings, file):
    run = candles(recordings, file)
    there = read_run(run)
    # a power of two scales every price without rounding, so that even ties stay ties
    small = read_run(candles(recordings, file, 2.0**-20))
    assert [opinion.score for opinion in small] == [opinion.score for opinion in there]
    tiny = [opinion.score for opinion in read_run(candles(recordings, file, 1e-6))]
    # Wilder counts no movement where up equals down exactly; prices in binary fractions break such a tie by rounding
    moved = [abs(a - opinion.score) for a, opinion in zip(tiny, there, strict=True)]
    assert max(moved) < 1e-3
    assert sum(step > 1e-9 for step in moved) <= 0.02 * len(moved)
    half = len(run) // 2
    poisoned = [*run[:half], *(Bar(bar.open_ns, 1.0, 9e9, 1e-9, 7.0, 0.0) for bar in run[half:])]
    assert read_run(poisoned)[:half] == there[:half]
    warm = [opinion for opinion in there if opinion.confidence]
    assert all(-1 <= opinion.score <= 1 for opinion in warm)
    assert {opinion.score > 0 for opinion in warm} == {True, False}
    for opinion in warm:
        assert all(mark.formed_ns <= mark.known_ns for mark in opinion.marks)
        for name in (*opinion.facts["trend_members"].split(","), *opinion.facts["reversion_members"].split(",")):
            assert -1 <= opinion.facts[f"{name}_part"] <= 1


@pytest.mark.recordings
def test_real_candles_know_every_member_and_tell_a_divergence_when_it_is_known(recordings):
    run = candles(recordings, "BTC_USDT-1h", most=2500)
    opinions = read_run(run)
    members, kinds = set(), set()
    for bar, opinion in zip(run, opinions, strict=True):
        if not opinion.confidence:
            continue
        members |= {*opinion.facts["trend_members"].split(","), *opinion.facts["reversion_members"].split(",")}
        kinds |= {mark.state for mark in opinion.marks}
        assert all(mark.known_ns <= bar.open_ns + Timeframe.H1.ns for mark in opinion.marks)
    parameters = EngineConfig().technicals
    assert members == dict(parameters.trend_weights).keys() | dict(parameters.reversion_weights).keys()
    assert kinds == {"regular_bullish", "regular_bearish", "hidden_bullish", "hidden_bearish"}


@pytest.mark.recordings
def test_every_part_of_the_mirrored_market_is_mirrored(recordings):
    run = candles(recordings, "BTC_USDT-1h")
    top = 3 * max(bar.high for bar in run)
    mirror = [Bar(b.open_ns, top - b.open, top - b.low, top - b.high, top - b.close, b.volume) for b in run]
    for there, back in zip(read_run(run), read_run(mirror), strict=True):
        if not there.confidence or not back.confidence:
            continue
        for name in there.facts:
            # the regime ranks ATR over price, and a mirrored price is another one; parts do not know of it
            if name.endswith("_part") and there.facts[name] is not None:
                assert there.facts[name] == pytest.approx(-back.facts[name], abs=1e-6), name


def test_the_regime_weighs_the_families():
    closes = [100 * 1.002**n for n in range(250)]
    indicators = Indicators()
    for n, close in enumerate(closes):
        indicators.add(Bar(n, close, close * 1.001, close * 0.999, close, 1.0))
    read = {word: at(indicators.values, 250, None, word) for word in ("trend", "volatile", "quiet", "range")}
    shares = [read[word].facts["trend_share"] for word in ("trend", "volatile", "quiet", "range")]
    assert shares == [1.0, 0.8, 0.6, 0.5]
    assert read["trend"].facts["reversion"] < 0 < read["trend"].facts["trend"]
    assert read["trend"].score == read["trend"].facts["trend"] > read["range"].score


def test_a_slope_is_judged_in_atr_whatever_the_coin_costs():
    """The predecessor's EMA slope had to exceed 0.1 in price: always so for Bitcoin, never for a coin of $0.00001."""
    closes = [1 + n / 500 for n in range(250)]
    parts = {price: opinion([close * price for close in closes]).facts["ema_stack_part"] for price in (1e-5, 1.0, 6e4)}
    assert parts[1e-5] == pytest.approx(parts[1.0], rel=1e-9) == pytest.approx(parts[6e4], rel=1e-9)
    assert parts[1.0] > 0.5


def test_a_stretched_trend_does_not_cancel_itself():
    """The predecessor averaged RSI (overbought: sell) with the averages (rising: buy), and was always neutral."""
    read = opinion([100 * 1.003**n for n in range(250)])
    assert read.facts["rsi_14"] > 70
    assert (read.facts["trend"] > 0.5, read.facts["reversion"] < 0, read.score > 0.5) == (True, True, True)


def test_the_reversed_market_is_another_one():
    """The predecessor was fed the newest bar first, so that a rise read as a fall."""
    closes = [100 * 1.001**n for n in range(250)]
    there, back = opinion(closes), opinion(closes[::-1])
    assert there.facts["rsi_14"] == 100
    assert back.facts["rsi_14"] == 0
    assert there.score > 0 > back.score


@pytest.mark.recordings
def test_a_state_read_back_from_its_bytes_goes_on_alike(recordings):
    run, config = candles(recordings, "SHIB_USDT-1h", most=500), EngineConfig()
    indicators, regime, layer = Indicators(), Regime.new(config), Technicals.new(config)
    expected = read_run(run)
    for n, bar in enumerate(run):
        if n % 50 == 0:
            indicators, regime, layer = again(indicators), again(regime), again(layer)
        values = indicators.add(bar)
        regime.on_bar(bar, values)
        layer.on_bar(bar, values, bar.open_ns + Timeframe.H1.ns)
        assert at(values, indicators.bars, layer, regime.word) == expected[n]
