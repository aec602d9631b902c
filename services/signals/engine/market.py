"""One market of one venue: its events in, candles, readings and signals out."""

import math
from collections.abc import Iterable
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
    Timeframe,
    Trade,
)
from services.signals.engine.bars import Bar, merge
from services.signals.engine.book import Book
from services.signals.engine.candles import Candles, Forming
from services.signals.engine.config import EngineConfig
from services.signals.engine.frame import Frame
from services.signals.engine.layers import BAR_LAYERS, TICK_LAYERS, TickState
from services.signals.engine.layers.layer import Opinion, abstain, belated
from services.signals.engine.minutes import Frozen, Minutes
from services.signals.engine.moments import Moment, form_signal
from services.signals.engine.seen import Seen

Output: TypeAlias = Candle | LayerReading | Signal

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
            frames={timeframe: Frame.new(timeframe, config.history_bars) for timeframe in config.timeframes},
        )

    def apply(self, event: MarketEvent, config: EngineConfig) -> list[Output]:
        """Take one event; return what it caused, in order."""
        outputs: list[Output] = []
        if isinstance(event, Trade) and not self._admits(event):
            return outputs
        if event.origin is not self.origin:
            self.origin = max(self.origin, event.origin, key=_ORIGINS.index)
        if type(event) in _HEARTBEATS:
            self._pass_time(event, config, outputs)
        match event:
            case Trade():
                self._trade(event, config, outputs)
            case BookDelta() | BookSnapshot():
                self._book(event, config, outputs)
            case Candle():
                self._rest_candle(event)
            case Gap():
                self._gap(event)
            case _:
                pass
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

    def _rest_candle(self, candle: Candle) -> None:
        """Take history; candles made from trades are our own, come back from the topic."""
        frame = self.frames.get(candle.timeframe)
        if candle.source is not Source.REST or not candle.closed or not candle.complete or frame is None:
            return
        prices = (candle.open, candle.high, candle.low, candle.close)
        if not all(0 < price < math.inf for price in prices) or candle.high < candle.low:
            self.count("candles_invalid")
            return
        if not frame.insert(Bar(candle.open_ns, *prices, candle.volume, Source.REST)):
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
            outputs.append(self._reading(layer.name, layer.read(self.watermark_ns), self.watermark_ns))

    def _reading(self, layer: str, opinion: Opinion, as_of_ns: int, timeframe: Timeframe | None = None) -> LayerReading:
        return LayerReading(
            venue=self.venue,
            symbol=self.symbol,
            origin=self.origin,
            layer=layer,
            timeframe=timeframe,
            as_of_ns=as_of_ns,
            score=opinion.score,
            confidence=opinion.confidence,
            facts=opinion.facts,
        )

    def _pass_time(self, event: MarketEvent, config: EngineConfig, outputs: list[Output]) -> None:
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
            self._close(self.candles.close(until_ns), event, config, outputs)

    def _ask(self, as_of_ns: int) -> Frozen:
        opinions = [(layer.name, layer.read(as_of_ns)) for layer in self.layers]
        return Frozen(as_of_ns, opinions, self.last_trade_id, self.book.sequence)

    def _unasked(self, as_of_ns: int) -> Frozen:
        return Frozen(as_of_ns, [(layer.name, abstain("not_read")) for layer in self.layers], "", -1)

    def _close(self, bars: Iterable[Forming], cause: MarketEvent, config: EngineConfig, outputs: list[Output]) -> None:
        frozen: Frozen | None = None
        for bar in bars:
            if frozen is None or frozen.close_ns != bar.close_ns:
                frozen = self.minutes.take(bar.close_ns) or self._unasked(bar.close_ns)
            frame = self.frames.get(bar.timeframe)
            if frame is None:
                continue
            outputs.append(bar.event(cause, self.origin))
            whole = self._whole(bar)
            if whole is not None:
                frame.insert(whole)
            self._judge(bar, frame, frozen, cause, config, outputs)

    def _whole(self, bar: Forming) -> Bar | None:
        """Return the bar for the indicators: as closed, or where trades miss, of shorter bars that REST filled."""
        if bar.complete:
            return Bar(bar.open_ns, bar.open, bar.high, bar.low, bar.close, bar.volume)
        for timeframe, frame in self.frames.items():
            wanted = bar.timeframe.ns // timeframe.ns
            parts = frame.history.run(bar.close_ns, wanted) if wanted > 1 else []
            if parts and len(parts) == wanted:
                return merge(parts)
        return None

    def _judge(
        self,
        bar: Forming,
        frame: Frame,
        frozen: Frozen,
        cause: MarketEvent,
        config: EngineConfig,
        outputs: list[Output],
    ) -> None:
        known_ns = bar.close_ns
        values = frame.at(known_ns)
        if values is None:
            known_ns -= bar.timeframe.ns
            values = frame.at(known_ns)
        readings = [self._reading(name, opinion, bar.close_ns) for name, opinion in frozen.opinions]
        for layer in BAR_LAYERS:
            opinion = abstain("incomplete_bar") if values is None else layer.read(values, frame.indicators.bars)
            if opinion.facts.get("cause") == "warming_up" and frame.broken:
                opinion = abstain("history_hole", {"bars": frame.indicators.bars})
            if known_ns < bar.close_ns and opinion.confidence:
                opinion = belated(opinion)
            readings.append(self._reading(layer.name, opinion, bar.close_ns, bar.timeframe))
            outputs.append(readings[-1])
        moment = Moment(
            venue=self.venue,
            symbol=self.symbol,
            origin=self.origin,
            timeframe=bar.timeframe,
            as_of_ns=bar.close_ns,
            known_at_ns=cause.event_ns,
            price=bar.close,
            readings=readings,
            bars=frame.history.run(known_ns, config.swing_lookback) if values else (),
            atr=values.atr_14 if values else None,
            inputs={
                "last_trade_id": frozen.trade_id,
                "book_sequence": str(frozen.book_sequence) if frozen.book_sequence >= 0 else "",
                "bars": str(frame.indicators.bars if values else 0),
                "bar_source": self._source(frame, known_ns),
            },
        )
        outputs.append(form_signal(moment, config))

    def _source(self, frame: Frame, close_ns: int) -> str:
        used = frame.history.get(close_ns - frame.history.timeframe.ns)
        return "" if used is None else used.source.value
