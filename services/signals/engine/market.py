"""One market of one venue: its events in, candles, readings and signals out."""

import math
from typing import Final

from msgspec import Struct, field

from libs.common.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    FundingRate,
    Gap,
    Liquidation,
    MarketEvent,
    MarkPrice,
    Metric,
    OpenInterest,
    Origin,
    Source,
    Timeframe,
    Trade,
)
from libs.common.events.seen import Seen
from services.signals.engine.bars import Bar
from services.signals.engine.book import Book
from services.signals.engine.candles import Candles
from services.signals.engine.closing import Closing, Output, reading_of
from services.signals.engine.config import EngineConfig
from services.signals.engine.frame import Frame
from services.signals.engine.layers import TICK_LAYERS, TickState
from services.signals.engine.layers.layer import Context, abstain, heard
from services.signals.engine.memory import Memory
from services.signals.engine.minutes import Frozen, Minutes
from services.signals.engine.tape.venues import Venues

_HEARTBEATS: Final = frozenset({Trade, BookDelta, BookSnapshot, Liquidation, MarkPrice})
"""Events whose time is the market's: they let bars close."""
_ORIGINS: Final = (Origin.LIVE, Origin.RECORDED, Origin.SIMULATED)
"""From honest to made up: a market that has ever taken one of the latter says so for good."""
_GAPS_KNOWN: Final = 256


class Market(Struct):
    """Everything the engine remembers of one market."""

    venue: str
    symbol: str
    candles: Candles
    trades: Seen
    gaps: Seen
    book: Book
    layers: list[TickState]
    frames: dict[Timeframe, Frame]
    origin: Origin = Origin.LIVE
    watermark_ns: int = -1
    """Event time of the newest heartbeat."""
    minutes: Minutes = field(default_factory=Minutes)
    said_ns: dict[str, int] = field(default_factory=dict)
    """When each tick layer's reading was last published."""
    last_trade_id: str = ""
    memory: Memory = field(default_factory=Memory)
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def new(cls, venue: str, symbol: str, config: EngineConfig) -> "Market":
        """Return the state of a market of which nothing is known yet."""
        return cls(
            venue=venue,
            symbol=symbol,
            candles=Candles(config.max_fill_ns),
            trades=Seen(config.dedupe_ids),
            gaps=Seen(_GAPS_KNOWN),
            book=Book.new(config.max_book_levels),
            layers=[layer.new(config) for layer in TICK_LAYERS],
            frames={timeframe: Frame.new(timeframe, config) for timeframe in config.timeframes},
        )

    def apply(self, event: MarketEvent, config: EngineConfig, venues: Venues) -> list[Output]:
        """Take one event; return what it caused, in order."""
        outputs: list[Output] = []
        if isinstance(event, Trade) and not self._admits(event):
            return outputs
        if event.origin is not self.origin:
            self.origin = max(self.origin, event.origin, key=_ORIGINS.index)
        if type(event) in _HEARTBEATS:
            self._pass_time(event, config, venues, outputs)
        match event:
            case Trade():
                self._trade(event, config, outputs)
            case BookDelta() | BookSnapshot():
                self._book(event, config, outputs)
            case Candle():
                self._rest_candle(event)
            case Gap():
                self._gap(event)
            case Liquidation() | FundingRate() | OpenInterest() | MarkPrice() | Metric():
                self._context(event, config, outputs)
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

    def _trade(self, trade: Trade, config: EngineConfig, outputs: list[Output]) -> None:
        if not self.candles.add(trade):
            self.count("trades_late")
        self.last_trade_id = trade.trade_id
        for layer in self.layers:
            if Trade in layer.hears:
                layer.on_trade(trade)
                self._say(layer, config, outputs)

    def _book(self, event: BookDelta | BookSnapshot, config: EngineConfig, outputs: list[Output]) -> None:
        was_valid = self.book.valid
        used = self.book.replace(event) if isinstance(event, BookSnapshot) else self.book.change(event)
        if was_valid and not self.book.valid:
            self.count("books_lost")
        elif not used:
            self.count("books_duplicate" if self.book.valid else "books_unsynced")
        for layer in self.layers:
            if BookDelta not in layer.hears:
                continue
            if used or was_valid != self.book.valid:
                layer.on_book(self.book, event)
            if used or (not self.book.valid and event.event_ns == self.watermark_ns):
                self._say(layer, config, outputs)

    def _context(self, event: Context, config: EngineConfig, outputs: list[Output]) -> None:
        for layer in self.layers:
            if type(event) in layer.hears:
                layer.on_context(event)
                if self.watermark_ns >= 0:
                    self._say(layer, config, outputs)

    def _rest_candle(self, candle: Candle) -> None:
        """Take history; candles made from trades are our own, come back from the topic."""
        frame = self.frames.get(candle.timeframe)
        if candle.source is not Source.REST or not candle.closed or not candle.complete or frame is None:
            return
        prices = (candle.open, candle.high, candle.low, candle.close)
        if not all(0 < price < math.inf for price in prices) or candle.high < candle.low:
            self.count("candles_invalid")
            return
        if not frame.insert(Bar(candle.open_ns, *prices, candle.volume, Source.REST, candle.taker_buy_volume)):
            self.count("candles_known")

    def _gap(self, gap: Gap) -> None:
        if not self.gaps.add(f"{gap.stream}|{gap.from_ns}|{gap.to_ns}|{gap.event_ns}|{gap.recovered}"):
            self.count("gaps_duplicate")
            return
        self.count("gaps")
        if gap.stream == "trades":
            self.candles.gap(gap)
        if gap.stream == "books" and not gap.recovered:
            self.book.lose()
        for layer in self.layers:
            layer.on_gap(gap)

    def _say(self, layer: TickState, config: EngineConfig, outputs: list[Output]) -> None:
        said_ns = self.said_ns.get(layer.name)
        if said_ns is None or self.watermark_ns - said_ns >= config.reading_interval_ns:
            self.said_ns[layer.name] = self.watermark_ns
            opinion = heard(layer.read(self.watermark_ns))
            outputs.append(reading_of(self.venue, self.symbol, self.origin, layer.name, opinion, self.watermark_ns))

    def _pass_time(self, event: MarketEvent, config: EngineConfig, venues: Venues, outputs: list[Output]) -> None:
        self.candles.observe(event.event_ns)
        if event.event_ns > self.watermark_ns:
            if event.event_ns >= self.minutes.next_ns:
                self.minutes.end(event.event_ns, config.max_fill_ns, self._ask)
                if self.candles.minute is None:
                    self.minutes.trim()
            self.watermark_ns = event.event_ns
        until_ns = self.watermark_ns - config.close_grace_ns
        if isinstance(event, Trade):
            until_ns = max(until_ns, event.event_ns)
        if self.candles.due(until_ns):
            self._close(until_ns, event, config, venues, outputs)

    def _ask(self, as_of_ns: int) -> Frozen:
        opinions = [(layer.name, heard(layer.read(as_of_ns))) for layer in self.layers]
        return Frozen(as_of_ns, opinions, self.last_trade_id, self.book.sequence)

    def _unasked(self, as_of_ns: int) -> Frozen:
        return Frozen(as_of_ns, [(layer.name, abstain("not_read")) for layer in self.layers], "", -1)

    def _close(
        self, until_ns: int, cause: MarketEvent, config: EngineConfig, venues: Venues, outputs: list[Output]
    ) -> None:
        for bars in self.candles.close(until_ns):
            close_ns = bars[0].close_ns
            closing = Closing(
                venue=self.venue,
                symbol=self.symbol,
                origin=self.origin,
                close_ns=close_ns,
                cause=cause,
                frozen=self.minutes.take(close_ns) or self._unasked(close_ns),
                frames=self.frames,
                layers=self.layers,
                forming=self.candles.higher,
                memory=self.memory,
                venues=venues,
            )
            outputs += closing.conclude(bars, config)
