"""TA-Lib, an implementation that is not ours, is the oracle."""

import math

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from services.signals.engine.bars import Bar
from services.signals.engine.indicators import Indicators

FILES = [
    "binance_spot_2024/BTC_USDT-1h.feather",
    "binance_spot_2024/1000SATS_USDT-1h.feather",
    "binance_spot_2024/PEPE_USDT-1d.feather",
    "binance_spot_2024/ETH_USDT-5m.feather",
    "binance_spot_2024/SHIB_USDT-1h.feather",
    "binance_spot_2024/ETH_USDT-1w.feather",
]


def oracle(high, low, close, volume):
    slow_k, slow_d = talib.STOCH(high, low, close, fastk_period=14)
    macd, signal, histogram = talib.MACD(close, 12, 26, 9)
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    return {
        "rsi_14": talib.RSI(close, 14),
        "macd": macd,
        "macd_signal": signal,
        "macd_histogram": histogram,
        "bb_upper": upper,
        "bb_middle": middle,
        "bb_lower": lower,
        "ema_9": talib.EMA(close, 9),
        "ema_20": talib.EMA(close, 20),
        "ema_50": talib.EMA(close, 50),
        "ema_200": talib.EMA(close, 200),
        "atr_14": talib.ATR(high, low, close, 14),
        "adx_14": talib.ADX(high, low, close, 14),
        "plus_di_14": talib.PLUS_DI(high, low, close, 14),
        "minus_di_14": talib.MINUS_DI(high, low, close, 14),
        "stochastic_k": slow_k,
        "stochastic_d": slow_d,
        "williams_r_14": talib.WILLR(high, low, close, 14),
        "cci_20": talib.CCI(high, low, close, 20),
        "obv": talib.OBV(close, volume),
        "sar": talib.SAR(high, low, 0.02, 0.2),
        "bb_width": (upper - lower) / middle,
        "keltner_upper": talib.EMA(close, 20) + 1.5 * talib.ATR(high, low, close, 14),
        "keltner_lower": talib.EMA(close, 20) - 1.5 * talib.ATR(high, low, close, 14),
    }


def bars_of(*columns):
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [Bar(n * 60, *row) for n, row in enumerate(rows)]


@pytest.mark.recordings
@pytest.mark.parametrize("file", FILES)
def test_every_indicator_equals_talib_on_real_candles(recordings, file):
    frame = pl.read_ipc(recordings / "ohlcv" / file).head(6000)
    names = ("open", "high", "low", "close", "volume")
    open_, high, low, close, volume = (frame[name].to_numpy().astype(float) for name in names)
    indicators = Indicators()
    ours = [indicators.add(bar) for bar in bars_of(open_, high, low, close, volume)]
    scale = np.abs(close).max()
    for name, oracles in oracle(high, low, close, volume).items():
        mine = np.array([math.nan if (v := getattr(row, name)) is None else v for row in ours])
        moving = np.ones(len(close), dtype=bool)
        if name in {"stochastic_k", "stochastic_d", "williams_r_14", "cci_20"}:
            # where nothing moved in the window, theirs is 0 or a rounding error, ours the middle: told in the docs
            moving = talib.MAX(high, 14) > talib.MIN(low, 14)
            moving = np.convolve(~moving, np.ones(5))[: len(close)] == 0
        # the directional indicators are theirs from the 14th bar on; ours speak together with the ADX
        theirs = np.where(np.isnan(mine), np.nan, oracles) if name.endswith("di_14") else oracles
        assert np.array_equal(np.isnan(mine), np.isnan(theirs)), name
        # differences of prices (MACD) carry the rounding of prices, so their absolute error is held to the price
        absolute = 1e-12 * scale if name.startswith(("macd", "bb", "keltner")) else 1e-18
        absolute = {"cci_20": 1e-9, "bb_width": 1e-11, "stochastic_k": 1e-9, "stochastic_d": 1e-9}.get(name, absolute)
        np.testing.assert_allclose(mine[moving], theirs[moving], rtol=1e-9, atol=absolute, err_msg=name)


def test_rsi_where_nothing_was_lost_or_nothing_moved():
    rising, flat, falling = Indicators(), Indicators(), Indicators()
    for n in range(30):
        rising.add(Bar(n, 1.0 + n, 1.0 + n, 1.0 + n, 1.0 + n, 0.0))
        flat.add(Bar(n, 5.0, 5.0, 5.0, 5.0, 0.0))
        falling.add(Bar(n, 99.0 - n, 99.0 - n, 99.0 - n, 99.0 - n, 0.0))
    assert rising.values
    assert flat.values
    assert falling.values
    assert (rising.values.rsi_14, flat.values.rsi_14, falling.values.rsi_14) == (100.0, 50.0, 0.0)
    assert (flat.values.atr_14, flat.values.adx_14, flat.values.bb_upper) == (0.0, 0.0, 5.0)


def test_reversing_the_input_changes_rsi():
    closes = [100 + math.sin(n / 3) * 5 + n / 7 for n in range(60)]
    there, back = Indicators(), Indicators()
    for n, (a, b) in enumerate(zip(closes, closes[::-1], strict=True)):
        there.add(Bar(n, a, a, a, a, 0.0))
        back.add(Bar(n, b, b, b, b, 0.0))
    assert there.values
    assert back.values
    assert (there.values.rsi_14 or 0) - (back.values.rsi_14 or 0) > 5


@given(st.lists(st.floats(1e-7, 1e7), min_size=1, max_size=80))
def test_bounds_hold_for_any_prices(closes):
    indicators = Indicators()
    for n, close in enumerate(closes):
        values = indicators.add(Bar(n, close, close * 1.01, close * 0.99, close, 0.0))
        for bounded in (values.rsi_14, values.adx_14, values.plus_di_14, values.minus_di_14):
            assert bounded is None or -1e-9 <= bounded <= 100 + 1e-9
        assert values.atr_14 is None or values.atr_14 > 0
