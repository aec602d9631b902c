"""One market of one venue: its events in, candles, readings and signals out."""

import math
from typing import Final, TypeAlias

from msgspec import Struct, field

from libs.common.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    Gap,
    LayerReading,
    Liquidation,
    MarketEvent,
    MarkPrice,
    Origin,
    Signal,
    Source,
    Trade,
)
from services.signals.engine.candles import Candles, Forming
from services.signals.engine.config import EngineConfig
from services.signals.engine.seen import Seen

Output: TypeAlias = Candle | LayerReading | Signal

_HEARTBEATS: Final = (Trade, BookDelta, BookSnapshot, Liquidation, MarkPrice)
"""Events whose time is the market's: they let bars close."""
_ORIGINS: Final = (Origin.LIVE, Origin.RECORDED, Origin.SIMULATED)
"""From honest to made up: a market that has ever taken one of the latter says so for good."""


class Market(Struct):
    """Everything the engine remembers of one market."""

    venue: str
    symbol: str
    candles: Candles
    trades: Seen
    origin: Origin = Origin.LIVE
    watermark_ns: int = -1
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def new(cls, venue: str, symbol: str, config: EngineConfig) -> "Market":
        """Return the state of a market of which nothing is known yet."""
        return cls(venue, symbol, Candles(config.max_fill_ns), Seen(config.dedupe_ids))

    def apply(self, event: MarketEvent, config: EngineConfig) -> list[Output]:
        """Take one event; return what it caused, in order."""
        outputs: list[Output] = []
        if isinstance(event, Trade) and not self._admits(event):
            return outputs
        if event.origin is not self.origin:
            self.origin = max(self.origin, event.origin, key=_ORIGINS.index)
        if isinstance(event, _HEARTBEATS):
            self._pass_time(event, config, outputs)
        if isinstance(event, Trade):
            if not self.candles.add(event):
                self.count("trades_late")
        elif isinstance(event, Gap):
            self.count("gaps")
            if event.stream == "trades":
                self.candles.gap(event)
        return outputs

    def count(self, what: str) -> None:
        """Count one more of `what`."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def _admits(self, trade: Trade) -> bool:
        if not (0 < trade.price < math.inf and 0 < trade.size < math.inf):
            self.count("trades_invalid")
            return False
        if not self.trades.add(trade.trade_id):
            self.count("trades_duplicate")
            return False
        return True

    def _pass_time(self, event: MarketEvent, config: EngineConfig, outputs: list[Output]) -> None:
        self.candles.observe(event.event_ns)
        self.watermark_ns = max(self.watermark_ns, event.event_ns)
        until_ns = self.watermark_ns - config.close_grace_ns
        if isinstance(event, Trade):
            until_ns = max(until_ns, event.event_ns)
        if not self.candles.due(until_ns):
            return
        bars = self.candles.close(until_ns)
        outputs.extend(self._candle(bar, event) for bar in bars if bar.timeframe in config.timeframes)

    def _candle(self, bar: Forming, cause: MarketEvent) -> Candle:
        return Candle(
            venue=self.venue,
            symbol=self.symbol,
            event_ns=cause.event_ns,
            received_ns=cause.received_ns,
            origin=self.origin,
            timeframe=bar.timeframe,
            open_ns=bar.open_ns,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            taker_buy_volume=bar.taker_buy_volume,
            trades=bar.trades,
            closed=True,
            complete=bar.complete,
            source=Source.TRADES,
        )
