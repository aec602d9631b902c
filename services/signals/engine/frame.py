"""One timeframe of one market: its history, and indicators and layers over the unbroken part of it that ends now."""

from msgspec import Struct, field

from libs.common.events import Timeframe
from services.signals.engine.bars import Bar, History
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Indicators, Values
from services.signals.engine.layers import BAR_LAYERS, BarState
from services.signals.engine.regime import Regime


class Frame(Struct):
    """Bars go in whenever they come, from trades or REST; readers see them in order, up to the close asked for.

    When older bars arrive that join the ones already used, everything is built anew from all of them.
    """

    history: History
    layers: list[BarState]
    regime: Regime
    indicators: Indicators = field(default_factory=Indicators)
    first_ns: int = -1
    """Open of the first bar the indicators were given."""
    joined: bool = False
    """A bar came that continues the run backwards."""

    @classmethod
    def new(cls, timeframe: Timeframe, config: EngineConfig) -> "Frame":
        """Return a frame without bars."""
        history = History(timeframe, config.history_bars)
        return cls(history, [layer.new(config) for layer in BAR_LAYERS], Regime.new(config))

    @property
    def broken(self) -> bool:
        """Tell whether a hole lies before the bars that the indicators were given."""
        return self.history.bars[0].open_ns < self.first_ns

    def insert(self, bar: Bar) -> bool:
        """Remember a closed complete bar; False when its time is taken."""
        taken = self.history.insert(bar)
        if taken and bar.open_ns + self.history.timeframe.ns == self.first_ns:
            self.joined = True
        return taken

    def at(self, close_ns: int, config: EngineConfig) -> Values | None:
        """Return the values at the close of the bar that ends at `close_ns`; None when that bar is not known."""
        last = self.indicators.last
        open_ns = close_ns - self.history.timeframe.ns
        if last is not None and not self.joined and last.open_ns == open_ns:
            return self.indicators.values
        if last is not None and not self.joined and last.open_ns + self.history.timeframe.ns == open_ns:
            bar = self.history.get(open_ns)
            return None if bar is None else self._add(bar)
        return self._rebuild(close_ns, config)

    def _add(self, bar: Bar) -> Values:
        values, close_ns = self.indicators.add(bar), bar.open_ns + self.history.timeframe.ns
        self.regime.on_bar(bar, values)
        for layer in self.layers:
            layer.on_bar(bar, values, close_ns)
        return values

    def _rebuild(self, close_ns: int, config: EngineConfig) -> Values | None:
        run = self.history.run(close_ns)
        if not run:
            return None
        self.indicators, self.first_ns, self.joined = Indicators(), run[0].open_ns, False
        self.layers, self.regime = [layer.new(config) for layer in BAR_LAYERS], Regime.new(config)
        for bar in run:
            self._add(bar)
        return self.indicators.values
