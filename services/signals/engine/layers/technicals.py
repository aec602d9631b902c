"""Layer `technicals`: is the market of closed bars trending, and where, or stretched, and back where?"""

from itertools import pairwise
from math import tanh
from typing import ClassVar, Final

from libs.common.events import Fact
from services.signals.engine.config import EngineConfig
from services.signals.engine.layers.layer import BarLayer, Close, Opinion, abstain

_WARM_BARS: Final = 200
"""Bars after which every average of the layer speaks."""
_QUIET_ADX: Final = 15.0
_TRENDING_ADX: Final = 35.0
_MACD_GAIN: Final = 4.0
"""A histogram of a quarter of the ATR counts tanh(1)."""


class Technicals(BarLayer, tag="technicals"):
    """Trend and mean reversion, scored apart, each in [-1, 1], and weighed by how much the market trends.

    Distances are in ATR, so neither the price's scale nor its unit matters, and every part is odd: the mirrored
    market gets the mirrored score. docs/semantics.md has the formulas.
    """

    name: ClassVar[str] = "technicals"

    @classmethod
    def new(cls, config: EngineConfig) -> "Technicals":  # noqa: ARG003  # it remembers nothing: the indicators do
        """Return a layer that has seen nothing."""
        return cls()

    def read(self, close: Close) -> Opinion:
        """Return the opinion at the close of `close.values`."""
        v, bars = close.values, close.bars
        if v.rsi_14 is None or v.macd_histogram is None or v.bb_upper is None or v.bb_middle is None:
            return abstain("warming_up", {"bars": bars})
        if v.adx_14 is None or v.plus_di_14 is None or v.minus_di_14 is None or v.atr_14 is None:
            return abstain("warming_up", {"bars": bars})
        if v.atr_14 <= 0:
            return abstain("no_range", {"bars": bars})
        stack = _stack([v.close, v.ema_9, v.ema_20, v.ema_50, v.ema_200], v.atr_14)
        macd = tanh(_MACD_GAIN * v.macd_histogram / v.atr_14)
        both = v.plus_di_14 + v.minus_di_14
        directional = (v.plus_di_14 - v.minus_di_14) / both if both > 0 else 0.0
        momentum = (v.rsi_14 - 50) / 50
        trend = 0.4 * stack + 0.3 * macd + 0.2 * directional + 0.1 * momentum
        deviation = (v.bb_upper - v.bb_middle) / 2
        stretch = (v.close - v.bb_middle) / deviation if deviation > 0 else 0.0
        reversion = -0.5 * _beyond(stretch, 2.0, 1.0) - 0.5 * _beyond(v.rsi_14 - 50, 20.0, 30.0)
        regime = max(0.0, min(1.0, (v.adx_14 - _QUIET_ADX) / (_TRENDING_ADX - _QUIET_ADX)))
        share = 0.5 + 0.5 * regime
        score = max(-1.0, min(1.0, share * trend + (1 - share) * reversion))
        facts: dict[str, Fact] = {
            "trend": trend,
            "reversion": reversion,
            "trend_share": share,
            "ema_stack": stack,
            "macd_part": macd,
            "directional_part": directional,
            "momentum_part": momentum,
            "band_deviations": stretch,
            "rsi_14": v.rsi_14,
            "macd": v.macd,
            "macd_signal": v.macd_signal,
            "macd_histogram": v.macd_histogram,
            "bb_upper": v.bb_upper,
            "bb_middle": v.bb_middle,
            "bb_lower": v.bb_lower,
            "ema_9": v.ema_9,
            "ema_20": v.ema_20,
            "ema_50": v.ema_50,
            "ema_200": v.ema_200,
            "atr_14": v.atr_14,
            "adx_14": v.adx_14,
            "bars": bars,
        }
        return Opinion(score, min(1.0, bars / _WARM_BARS), facts)


def _stack(line: list[float | None], atr: float) -> float:
    """Return the mean of tanh(distance / ATR) between each line, price first, and the next slower one."""
    known = [value for value in line if value is not None]
    steps = [tanh((fast - slow) / atr) for fast, slow in pairwise(known)]
    return sum(steps) / len(steps)


def _beyond(x: float, limit: float, width: float) -> float:
    """Return 0 within +-limit, then growing by 1 a width, up to +-1."""
    excess = max(0.0, min(1.0, (abs(x) - limit) / width))
    return excess if x > 0 else -excess
