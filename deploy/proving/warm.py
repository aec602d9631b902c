"""The closed candles before a recorded BTC session of August 2024, so that its bars are judged by a warm engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from libs.common.events import Candle, MarketEvent, Origin, Source, Timeframe
from services.signals.candle_files import read_bars
from services.signals.engine.bars import Bar

_HISTORY: Final = 600


def history(data: Path, first: MarketEvent, price: float) -> list[Candle]:
    """Return closed candles of every timeframe that end at the session: BTC's own; its minutes are others', moved."""
    until_ns = first.event_ns
    spot = data / "ohlcv" / "binance_spot_2024"
    found = [
        candle
        for timeframe in Timeframe
        if timeframe is not Timeframe.M1
        for candle in _candles(read_bars(spot / f"BTC_USDT-{timeframe}.feather", timeframe), timeframe, first)
    ]
    minutes = read_bars(data / "ohlcv" / "bybit_linear_2025" / "BTCUSDT_1m.csv.gz", Timeframe.M1)[-_HISTORY:]
    later_ns = Timeframe.M1.open_ns(until_ns) - minutes[-1].open_ns - Timeframe.M1.ns
    scale = price / minutes[-1].close
    moved = [
        Bar(b.open_ns + later_ns, b.open * scale, b.high * scale, b.low * scale, b.close * scale, b.volume)
        for b in minutes
    ]
    return found + _candles(moved, Timeframe.M1, first)


def _candles(bars: Sequence[Bar], timeframe: Timeframe, first: MarketEvent) -> list[Candle]:
    known = [bar for bar in bars if bar.open_ns + timeframe.ns <= first.event_ns][-_HISTORY:]
    return [
        Candle(
            venue=first.venue,
            symbol=first.symbol,
            event_ns=first.event_ns,
            received_ns=first.received_ns,
            origin=Origin.RECORDED,
            timeframe=timeframe,
            open_ns=bar.open_ns,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            source=Source.REST,
        )
        for bar in known
    ]
