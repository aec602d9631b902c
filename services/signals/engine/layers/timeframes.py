"""Layer `timeframes`: do the other timeframes, each by its last closed bar, go one way, and which?"""

from itertools import pairwise
from math import tanh
from typing import ClassVar, Final

from libs.common.events import SECOND_NS, Fact, Timeframe
from services.signals.engine.config import EngineConfig
from services.signals.engine.layers.layer import BarLayer, Close, Opinion, abstain
from services.signals.engine.parameters.timeframes import TimeframesParameters

_ORDER: Final = tuple(Timeframe)
HORIZONS: Final = {
    "short": (Timeframe.M1, Timeframe.M5, Timeframe.M15),
    "middle": (Timeframe.H1, Timeframe.H4),
    "long": (Timeframe.D1, Timeframe.W1),
}


class Timeframes(BarLayer, tag="timeframes"):
    """The trends of all other timeframes, near ones first, scaled down as they contradict each other.

    The judged timeframe's own trend is told but not scored: `technicals` scores it. docs/layers/timeframes.md has the
    formulas.
    """

    name: ClassVar[str] = "timeframes"

    timeframes: tuple[Timeframe, ...]
    parameters: TimeframesParameters

    @classmethod
    def new(cls, config: EngineConfig) -> "Timeframes":
        """Return a layer that has seen nothing."""
        return cls(config.timeframes, config.timeframe_agreement)

    def read(self, close: Close) -> Opinion:
        """Return the opinion at `close`."""
        facts: dict[str, Fact] = {}
        trends = {timeframe: self._trend(timeframe, close, facts) for timeframe in self.timeframes}
        for horizon, members in HORIZONS.items():
            known = [trend for member in members if (trend := trends.get(member)) is not None]
            facts[f"trend_{horizon}"] = sum(known) / len(known) if known else None
            facts[f"alignment_{horizon}"] = _alignment(known)
        self._tell_forming(close, facts)
        at = _ORDER.index(close.timeframe)
        total = warm = spoken = signed = absolute = 0.0
        others = 0
        for timeframe, trend in trends.items():
            if timeframe is close.timeframe:
                continue
            weight = self.parameters.nearness ** abs(_ORDER.index(timeframe) - at)
            total += weight
            if trend is None:
                continue
            others += 1
            spoken += weight
            warm += weight * min(1.0, close.views[timeframe].bars / self.parameters.warm_bars)
            signed += weight * trend
            absolute += weight * abs(trend)
        facts["others"] = others
        if others < self.parameters.least_others:
            return abstain("too_few_timeframes", facts)
        agreement = abs(signed) / absolute if absolute > 0 else None
        facts["mean_trend"] = signed / spoken
        facts["agreement"] = agreement
        facts["conflict"] = None if agreement is None else (1 - agreement) / 2
        score = max(-1.0, min(1.0, signed / spoken * (agreement or 0.0)))
        return Opinion(score, min(1.0, warm / total), facts)

    def _trend(self, timeframe: Timeframe, close: Close, facts: dict[str, Fact]) -> float | None:
        """Return the trend of one timeframe in [-1, 1]; None, and the cause in `facts`, where it cannot be told."""
        view = close.views.get(timeframe)
        trend_name, cause_name = f"trend_{timeframe}", f"absent_{timeframe}"
        facts[trend_name] = None
        if view is None or view.close_ns != timeframe.open_ns(close.close_ns):
            facts[cause_name] = "no_bar"
            return None
        facts[f"closed_ago_s_{timeframe}"] = (close.close_ns - view.close_ns) // SECOND_NS
        v = view.values
        if v.macd_histogram is None or v.atr_14 is None:
            facts[cause_name] = "warming_up"
            return None
        if v.atr_14 <= 0:
            facts[cause_name] = "no_range"
            return None
        line = [value for value in (v.close, v.ema_9, v.ema_20, v.ema_50, v.ema_200) if value is not None]
        stack = sum(tanh((fast - slow) / v.atr_14) for fast, slow in pairwise(line)) / (len(line) - 1)
        macd = tanh(self.parameters.macd_gain * v.macd_histogram / v.atr_14)
        trend = self.parameters.stack_share * stack + (1 - self.parameters.stack_share) * macd
        facts[trend_name] = trend
        return trend

    def _tell_forming(self, close: Close, facts: dict[str, Fact]) -> None:
        """Tell of the open bars, in ATR of their timeframe's last closed bar; nothing of it is scored."""
        for timeframe in self.timeframes:
            bar, view = close.forming.get(timeframe), close.views.get(timeframe)
            atr = None if view is None else view.values.atr_14
            if bar is not None and atr is not None and atr > 0:
                facts[f"change_atr_{timeframe}_forming"] = (bar.close - bar.open) / atr
                facts[f"range_atr_{timeframe}_forming"] = (bar.high - bar.low) / atr


def _alignment(trends: list[float]) -> float | None:
    """Return +1 or -1 where all go one way, 0 where they cancel out; None without any."""
    absolute = sum(abs(trend) for trend in trends)
    return sum(trends) / absolute if absolute > 0 else None
