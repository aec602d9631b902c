"""Ichimoku, Supertrend, VWAP and the flow of OBV, which TA-Lib lacks, against columns computed all at once."""

import math

import numpy as np
import polars as pl
import pytest

from services.signals.engine.bars import Bar
from services.signals.engine.indicators import WARM_UP, Indicators

FILES = ["BTC_USDT-1h", "1000SATS_USDT-1h", "PEPE_USDT-1d", "SHIB_USDT-1h", "ETH_USDT-5m"]
DAY_NS = 86_400 * 10**9


@pytest.fixture(params=FILES)
def frame(request, recordings):
    rows = pl.read_ipc(recordings / "ohlcv" / "binance_spot_2024" / f"{request.param}.feather").head(2500)
    return rows.with_columns(open_ns=pl.col("date").dt.epoch("ns"))


def run(frame):
    indicators, columns = Indicators(), ("open_ns", "open", "high", "low", "close", "volume")
    return [indicators.add(Bar(*row)) for row in frame.select(columns).iter_rows()]


def column(rows, name):
    return np.array([math.nan if (value := getattr(row, name)) is None else value for row in rows], dtype=float)


def same(mine, theirs, rtol=1e-9, atol=0.0):
    theirs = np.array([math.nan if value is None else value for value in theirs], dtype=float)
    np.testing.assert_array_equal(np.isnan(mine), np.isnan(theirs))
    np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=atol)


@pytest.mark.recordings
def test_ichimoku_is_the_middles_of_ranges_and_its_cloud_is_26_bars_old(frame):
    def middle(n):
        return (pl.col("high").rolling_max(n) + pl.col("low").rolling_min(n)) / 2

    lines = frame.select(tenkan=middle(9), kijun=middle(26), senkou_b=middle(52)).with_columns(
        senkou_a=(pl.col("tenkan") + pl.col("kijun")) / 2
    )
    # no senkou pair is kept before both exist, so the cloud's A begins with its B
    lines = lines.with_columns(
        cloud_a=pl.when(pl.col("senkou_b").is_not_null()).then(pl.col("senkou_a")).shift(26),
        cloud_b=pl.col("senkou_b").shift(26),
    )
    rows = run(frame)
    for name in lines.columns:
        same(column(rows, f"ichimoku_{name}"), lines[name].to_list())


@pytest.mark.recordings
def test_supertrend_follows_the_published_recursion(frame):
    """Written anew from the usual description: whole columns of basic bands, then one pass for the final ones."""
    high, low, close = (frame[name].to_numpy() for name in ("high", "low", "close"))
    spread = np.maximum(high[1:] - low[1:], np.maximum(np.abs(high[1:] - close[:-1]), np.abs(low[1:] - close[:-1])))
    atr = np.full(len(close), np.nan)
    atr[10] = spread[:10].mean()
    for n in range(11, len(close)):
        atr[n] = atr[n - 1] + (spread[n - 1] - atr[n - 1]) / 10
    top, bottom = (high + low) / 2 + 3 * atr, (high + low) / 2 - 3 * atr
    line, side = np.full(len(close), np.nan), np.full(len(close), np.nan)
    side[10] = 1 if close[10] >= (high[10] + low[10]) / 2 else -1
    for n in range(10, len(close)):
        if n > 10:
            if close[n - 1] <= top[n - 1]:
                top[n] = min(top[n], top[n - 1])
            if close[n - 1] >= bottom[n - 1]:
                bottom[n] = max(bottom[n], bottom[n - 1])
            side[n] = side[n - 1]
            if side[n] > 0 and close[n] < bottom[n]:
                side[n] = -1
            elif side[n] < 0 and close[n] > top[n]:
                side[n] = 1
        line[n] = bottom[n] if side[n] > 0 else top[n]
    rows = run(frame)
    same(column(rows, "supertrend"), line)
    same(column(rows, "supertrend_side"), side)
    assert len(frame) < 1000 or set(side[10:]) == {1.0, -1.0}


@pytest.mark.recordings
def test_vwap_and_its_deviation_are_those_of_the_day_so_far(frame):
    typical = (frame["high"] + frame["low"] + frame["close"]).to_numpy() / 3
    volume, opens = frame["volume"].to_numpy(), frame["open_ns"].to_numpy()
    starts = np.flatnonzero(opens % DAY_NS == 0)
    mean, deviation = np.full(len(volume), np.nan), np.full(len(volume), np.nan)
    for n in range(starts[0], len(volume)):
        first = starts[starts <= n][-1]
        weights, prices = volume[first : n + 1], typical[first : n + 1]
        if weights.sum() > 0:
            mean[n] = np.average(prices, weights=weights)
            deviation[n] = np.sqrt(np.average((prices - mean[n]) ** 2, weights=weights))
    rows = run(frame)
    same(column(rows, "vwap"), mean)
    same(column(rows, "vwap_deviation"), deviation, atol=1e-12 * np.abs(typical).max())


@pytest.mark.recordings
def test_the_flow_of_obv_is_its_change_over_the_volume(frame):
    rows = run(frame)
    obv, volume = column(rows, "obv"), frame["volume"].to_numpy()
    traded = np.array([volume[n - 19 : n + 1].sum() if n >= 20 else math.nan for n in range(len(volume))])
    flow = np.concatenate([np.full(20, math.nan), obv[20:] - obv[:-20]]) / traded
    same(column(rows, "obv_flow_20"), flow, atol=1e-9)
    assert np.nanmax(np.abs(flow)) <= 1


@pytest.mark.recordings
def test_every_value_is_there_from_its_declared_bar_on_and_not_before(frame):
    rows = run(frame)
    for name, bars in WARM_UP.items():
        there = [getattr(row, name) is not None for row in rows]
        assert there == [n + 1 >= bars for n in range(len(rows))], name
    fields = set(rows[0].__struct_fields__) - {"open_ns", "close", "vwap", "vwap_deviation", "vwap_bars"}
    assert fields == set(WARM_UP)


def test_without_volume_there_is_no_vwap_and_no_flow():
    indicators = Indicators()
    rows = [indicators.add(Bar(n * 60 * 10**9, 5.0, 5.0, 5.0, 5.0, 0.0)) for n in range(40)]
    assert {(row.vwap, row.vwap_deviation, row.obv_flow_20) for row in rows} == {(None, None, None)}
    assert (rows[-1].stochastic_k, rows[-1].williams_r_14, rows[-1].cci_20) == (50.0, -50.0, 0.0)


def test_vwap_waits_for_midnight_and_starts_anew_there():
    indicators, hour = Indicators(), 3600 * 10**9
    rows = [indicators.add(Bar(n * hour, 1.0 + n, 1.0 + n, 1.0 + n, 1.0 + n, 1.0)) for n in range(23, 50)]
    assert rows[0].vwap is None
    assert (rows[1].vwap, rows[1].vwap_deviation, rows[1].vwap_bars) == (25.0, 0.0, 1)
    assert (rows[3].vwap, rows[3].vwap_bars) == (26.0, 3)
    assert rows[3].vwap_deviation == pytest.approx(math.sqrt(2 / 3), rel=1e-12)
    assert (rows[25].vwap, rows[25].vwap_bars) == (49.0, 1)
