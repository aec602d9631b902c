"""Closed candles of one market in, oldest first, what the layers say at each close of one timeframe out."""

from collections.abc import Sequence

from msgspec import Struct

from libs.common.events import Candle, LayerReading, Origin, Source, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.closing import Closing, reading_of
from services.signals.engine.config import EngineConfig
from services.signals.engine.frame import Frame
from services.signals.engine.ladder import Ladder, forming_of
from services.signals.engine.layers import TICK_LAYERS
from services.signals.engine.layers.layer import abstain
from services.signals.engine.memory import Memory
from services.signals.engine.minutes import Frozen
from services.signals.engine.tape.venues import Venues

_SILENT = [(layer.name, abstain("no_ticks")) for layer in TICK_LAYERS]


class Walk(Struct):
    """The engine over bars alone: they go into its own frames as candles from REST do, and its own closing judges.

    Neither trade nor book is heard, so the layers that listen to them abstain with the cause `no_ticks`.
    """

    venue: str
    symbol: str
    judged: Timeframe
    """Whose closes are judged; not shorter than the bars that come."""
    layers: tuple[str, ...]
    """Whose readings are wanted."""
    ladder: Ladder
    frames: dict[Timeframe, Frame]
    memory: Memory

    @classmethod
    def new(
        cls,
        venue: str,
        symbol: str,
        layers: Sequence[str],
        config: EngineConfig,
        *,
        base: Timeframe,
        judged: Timeframe,
    ) -> "Walk":
        """Return a walk that has seen nothing; the bars it will take are of `base`."""
        frames = {timeframe: Frame.new(timeframe, config) for timeframe in Timeframe if timeframe.ns >= base.ns}
        return cls(venue, symbol, judged, tuple(layers), Ladder(base), frames, Memory())

    def take(self, bar: Bar, config: EngineConfig) -> list[LayerReading]:
        """Take the next closed bar; return one reading a layer when a bar of the judged timeframe ends with it."""
        closed = self.ladder.add(bar)
        for timeframe, whole in closed.items():
            self.frames[timeframe].insert(whole)
        close_ns = self.ladder.next_ns
        closing = Closing(
            venue=self.venue,
            symbol=self.symbol,
            origin=Origin.RECORDED,
            close_ns=close_ns,
            cause=self._cause(bar, close_ns),
            frozen=Frozen(close_ns, list(_SILENT), "", -1),
            frames=self.frames,
            layers=(),
            forming=self.ladder.higher,
            memory=self.memory,
            venues=Venues(0),
        )
        whole_bar = closed.get(self.judged)
        ended = [] if whole_bar is None else [forming_of(self.judged, whole_bar)]
        said = {out.layer: out for out in closing.conclude(ended, config) if isinstance(out, LayerReading)}
        if not ended:
            return []
        for name, opinion in _SILENT:
            silent = reading_of(self.venue, self.symbol, Origin.RECORDED, name, opinion, close_ns)
            said.setdefault(name, silent)
        return [said[name] for name in self.layers]

    def _cause(self, bar: Bar, close_ns: int) -> Candle:
        return Candle(
            venue=self.venue,
            symbol=self.symbol,
            event_ns=close_ns,
            received_ns=close_ns,
            origin=Origin.RECORDED,
            timeframe=self.ladder.timeframe,
            open_ns=bar.open_ns,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            closed=True,
            source=Source.REST,
        )
