"""The bars that close at one moment and what the tick layers said then in; candles, readings and signals out."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from libs.common.events import Candle, LayerReading, MarketEvent, Origin, Signal, Timeframe
from services.signals.engine.bars import Bar, merge
from services.signals.engine.candles import Forming
from services.signals.engine.config import EngineConfig
from services.signals.engine.frame import Frame
from services.signals.engine.layers import BAR_LAYERS, TickState
from services.signals.engine.layers.layer import Close, Opinion, Partial, View, abstain, belated, heard
from services.signals.engine.memory import Memory
from services.signals.engine.minutes import Frozen
from services.signals.engine.moments import Moment, form_signal
from services.signals.engine.tape.venues import Venues

Output: TypeAlias = Candle | LayerReading | Signal


class Closing(Struct, frozen=True, kw_only=True):
    """One moment at which bars of one market end."""

    venue: str
    symbol: str
    origin: Origin
    close_ns: int
    cause: MarketEvent
    """What let us know."""
    frozen: Frozen
    frames: Mapping[Timeframe, Frame]
    layers: Sequence[TickState]
    forming: Mapping[Timeframe, Forming]
    memory: Memory
    venues: Venues

    def conclude(self, bars: Sequence[Forming], config: EngineConfig) -> list[Output]:
        """Take the closed `bars`, short before long, all that end here; return what they caused.

        All of them are remembered before the first is judged: at one moment, each sees the others' newest bar.
        """
        bars = [bar for bar in bars if bar.timeframe in self.frames]
        outputs: list[Output] = [bar.event(self.cause, self.origin) for bar in bars]
        for bar in bars:
            whole = self._whole(bar)
            if whole is not None:
                self.frames[bar.timeframe].insert(whole)
            if bar.timeframe is Timeframe.M1 and bar.complete:
                self.venues.add(self.venue, self.symbol, bar.close_ns, bar.delta, bar.volume)
        views = self._views(config)
        for bar in bars:
            outputs += self._judge(bar, views, config)
        return outputs

    def _whole(self, bar: Forming) -> Bar | None:
        """Return the bar for the indicators: as closed, or where trades miss, of shorter bars that REST filled."""
        if bar.complete:
            return bar.bar()
        for timeframe, frame in self.frames.items():
            wanted = bar.timeframe.ns // timeframe.ns
            parts = frame.history.run(bar.close_ns, wanted) if wanted > 1 else []
            if parts and len(parts) == wanted:
                return merge(parts)
        return None

    def _views(self, config: EngineConfig) -> dict[Timeframe, View]:
        views: dict[Timeframe, View] = {}
        for timeframe, frame in self.frames.items():
            close_ns = timeframe.open_ns(self.close_ns)
            values = frame.at(close_ns, config)
            if values is not None:
                views[timeframe] = View(close_ns, values, frame.indicators.bars)
        return views

    def _judge(self, bar: Forming, views: Mapping[Timeframe, View], config: EngineConfig) -> list[Output]:
        frame, known_ns = self.frames[bar.timeframe], bar.close_ns
        view = views.get(bar.timeframe)
        values = None if view is None else view.values
        if values is None:
            known_ns -= bar.timeframe.ns
            values = frame.at(known_ns, config)
        opinions = dict(self.frozen.opinions)
        run = frame.history.run(known_ns, config.plan.swing_lookback) if values else ()
        said: list[str] = []
        marks = [mark for opinion in opinions.values() for mark in opinion.marks]
        close: Close | None = None
        if values is not None:
            close = Close(
                timeframe=bar.timeframe,
                close_ns=bar.close_ns,
                price=bar.close,
                values=values,
                bars=frame.indicators.bars,
                run=run,
                ticks=dict(self.frozen.opinions),
                views=views,
                forming=self._forming(),
                marks=marks,
                together=self.venues.over(self.symbol, bar.close_ns, bar.timeframe.ns),
                regime=frame.regime.word,
                regime_facts=frame.regime.facts(),
            )
        for layer, kind in zip(frame.layers, BAR_LAYERS, strict=True):
            if close is None:
                if kind.name in opinions:
                    continue
                opinion = abstain("incomplete_bar")
            else:
                opinion = heard(layer.read(close))
                if opinion.facts.get("cause") == "warming_up" and frame.broken:
                    opinion = abstain("history_hole", {"bars": frame.indicators.bars})
                if known_ns < bar.close_ns and opinion.confidence:
                    opinion = belated(opinion)
            opinions[kind.name] = opinion
            marks.extend(opinion.marks)
            said.append(kind.name)
        readings = {name: self._reading(name, opinion, bar, name in said) for name, opinion in opinions.items()}
        if close is not None:
            for ear in self.layers:
                ear.on_close(close, opinions)
        moment = Moment(
            venue=self.venue,
            symbol=self.symbol,
            origin=self.origin,
            timeframe=bar.timeframe,
            as_of_ns=bar.close_ns,
            known_at_ns=self.cause.event_ns,
            price=bar.close,
            readings=tuple(readings.values()),
            marks=tuple(marks),
            bars=run,
            atr=values.atr_14 if values else None,
            regime=frame.regime.word if values else None,
            inputs={
                "last_trade_id": self.frozen.trade_id,
                "book_sequence": str(self.frozen.book_sequence) if self.frozen.book_sequence >= 0 else "",
                "bars": str(frame.indicators.bars if values else 0),
                "bar_source": self._source(frame, known_ns),
            },
        )
        signal = form_signal(moment, config, self.memory)
        return [*(readings[name] for name in said), signal]

    def _forming(self) -> dict[Timeframe, Partial]:
        return {
            timeframe: Partial(bar.open_ns, bar.open, bar.high, bar.low, bar.close, bar.volume)
            for timeframe, bar in self.forming.items()
        }

    def _reading(self, layer: str, opinion: Opinion, bar: Forming, of_bars: bool) -> LayerReading:
        return reading_of(
            self.venue,
            self.symbol,
            self.origin,
            layer,
            opinion,
            bar.close_ns,
            timeframe=bar.timeframe if of_bars else None,
        )

    def _source(self, frame: Frame, close_ns: int) -> str:
        used = frame.history.get(close_ns - frame.history.timeframe.ns)
        return "" if used is None else used.source.value


def reading_of(
    venue: str,
    symbol: str,
    origin: Origin,
    layer: str,
    opinion: Opinion,
    as_of_ns: int,
    *,
    timeframe: Timeframe | None = None,
) -> LayerReading:
    """Return `opinion` as an event."""
    return LayerReading(
        venue=venue,
        symbol=symbol,
        origin=origin,
        layer=layer,
        timeframe=timeframe,
        as_of_ns=as_of_ns,
        score=opinion.score,
        confidence=opinion.confidence,
        facts=opinion.facts,
        marks=opinion.marks,
    )
