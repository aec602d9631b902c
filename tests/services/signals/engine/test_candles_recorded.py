"""Candles against an exchange's own: re-aggregated from its minutes, and made from its recorded trades."""

import gzip
import json
from datetime import UTC, datetime
from itertools import chain

import polars as pl
import pytest

from libs.common.events import Candle, Side, Timeframe, Trade
from services.signals.engine.candles import Candles
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine

pytestmark = pytest.mark.recordings


def trade(at_ns, price, size, trade_id, side=Side.BUY):
    return Trade(
        venue="x",
        symbol="BTC-USDT",
        event_ns=at_ns,
        received_ns=0,
        price=price,
        size=size,
        side=side,
        trade_id=str(trade_id),
    )


def rows(path):
    for time, *numbers in pl.read_csv(path).select("timestamp", "open", "high", "low", "close", "volume").rows():
        yield int(datetime.fromisoformat(time).timestamp()) * 10**9, *map(float, numbers)


def feather_rows(path, count):
    table = pl.read_ipc(path).head(count).with_columns(pl.col("date").dt.epoch("ns"))
    assert len(table) == count
    yield from table.select("date", "open", "high", "low", "close", "volume").rows()


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_minutes_make_the_exchanges_longer_candles(recordings, symbol):
    folder = recordings / "ohlcv" / "bybit_linear_2025"
    candles, closed = Candles(max_fill_ns=10**15), {}
    for open_ns, *prices, volume in rows(folder / f"{symbol}_1m.csv.gz"):
        candles.observe(open_ns)
        for quarter, price in enumerate(prices):
            for bar in chain.from_iterable(candles.close(open_ns)):
                closed[bar.timeframe, bar.open_ns] = bar
            if volume:
                candles.add(trade(open_ns + quarter * 15 * 10**9, price, volume / 4, 0))
    for timeframe, name in {"1m": "1m", "5m": "5m", "15m": "15m", "1h": "60m", "4h": "240m"}.items():
        compared = 0
        for open_ns, open_, high, low, close, volume in rows(folder / f"{symbol}_{name}.csv.gz"):
            own = closed.get((Timeframe(timeframe), open_ns))
            if own is None or not own.complete:
                continue
            assert (own.open, own.high, own.low, own.close) == (open_, high, low, close)
            assert own.volume == pytest.approx(volume, rel=1e-12)
            compared += 1
        assert compared >= 43_200 * 60 * 10**9 // Timeframe(timeframe).ns - 2


def test_days_and_weeks_are_the_exchanges_own(recordings):
    folder = recordings / "ohlcv" / "binance_spot_2024"
    candles, closed = Candles(max_fill_ns=10**15), {}
    for open_ns, *prices, volume in feather_rows(folder / "ETH_USDT-5m.feather", 6 * 7 * 288 + 1):
        candles.observe(open_ns)
        for at_ns, price in zip(range(open_ns, open_ns + 240 * 10**9, 60 * 10**9), prices, strict=True):
            for bar in chain.from_iterable(candles.close(at_ns)):
                closed[bar.timeframe, bar.open_ns] = bar
            candles.add(trade(at_ns, price, volume / 4, 0))
    weeks = Timeframe.W1.ns * 6
    for name in ("5m", "15m", "1h", "4h", "1d", "1w"):
        timeframe = Timeframe(name)
        wanted = weeks // timeframe.ns
        for open_ns, open_, high, low, close, volume in feather_rows(folder / f"ETH_USDT-{name}.feather", wanted):
            own = closed[timeframe, open_ns]
            assert own.complete
            assert (own.open, own.high, own.low, own.close) == (open_, high, low, close)
            assert round(own.volume, 8) == volume


def spot_trades(folder):
    for day in ("2024-08-08", "2024-08-09"):
        with gzip.open(folder / f"{day}_btcusdt.gz") as lines:
            for line in lines:
                if b"@trade" not in line:
                    continue
                data = json.loads(line.split(b" ", 1)[1])["data"]
                side = Side.SELL if data["m"] else Side.BUY
                yield trade(data["T"] * 10**6, float(data["p"]), float(data["q"]), data["t"], side)


def test_recorded_trades_make_the_exchanges_candles(recordings):
    engine = Engine(EngineConfig(timeframes=(Timeframe.M5,)))
    bars = [
        output
        for event in spot_trades(recordings / "raw" / "binance_spot")
        for output in engine.apply(event)
        if isinstance(output, Candle)
    ]
    theirs = pl.read_ipc(recordings / "ohlcv" / "binance_spot_2024" / "BTC_USDT-5m.feather")
    whole = [bar for bar in bars if bar.complete]
    assert [datetime.fromtimestamp(bar.open_ns / 10**9, UTC).strftime("%d %H:%M") for bar in whole] == [
        "08 23:55",
        "09 00:00",
    ]
    for bar in whole:
        at = datetime.fromtimestamp(bar.open_ns / 10**9, UTC)
        ((open_, high, low, close, volume),) = (
            theirs.filter(pl.col("date") == at).select("open", "high", "low", "close", "volume").rows()
        )
        assert (bar.open, bar.high, bar.low, bar.close) == (open_, high, low, close)
        assert bar.volume == volume
    assert engine.counts() == {}
