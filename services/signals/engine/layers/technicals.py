"""Layer `technicals`: is the market of closed bars trending, and where, or stretched, and back where?"""

from collections.abc import Mapping
from math import exp
from typing import ClassVar, Final

from libs.common.events import Fact, Mark
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Values
from services.signals.engine.layers.layer import BarLayer, Close, Opinion, abstain
from services.signals.engine.parameters.technicals import TechnicalsParameters
from services.signals.engine.technical.breakout import Breakout
from services.signals.engine.technical.divergence import Divergence, DivergenceFinder
from services.signals.engine.technical.families import (
    band_deviations,
    reversion_members,
    trend_members,
    vwap_deviations,
    weighed,
)

_SOURCES: Final = ("rsi", "macd")
"""Oscillators that may diverge, in the finder's order."""
_WARMING_UP: Final = "warming_up"


class Technicals(BarLayer, tag="technicals"):
    """Trend and mean reversion, scored apart, each in [-1, 1], and weighed by the regime and its ADX.

    Every member is odd: the mirrored market gets the mirrored score. docs/layers/technicals.md has the formulas.
    """

    name: ClassVar[str] = "technicals"
    parameters: TechnicalsParameters
    divergences: DivergenceFinder
    breakout: Breakout

    @classmethod
    def new(cls, config: EngineConfig) -> "Technicals":
        """Return a layer that has seen nothing."""
        p = config.technicals
        finder = DivergenceFinder(p.pivot_wing, p.pivot_least_bars, p.pivot_most_bars, p.pivot_least_move_atr)
        return cls(p, finder, Breakout(p.squeeze_least_bars, p.breakout_bars))

    def on_bar(self, bar: Bar, values: Values, close_ns: int) -> None:
        """Take the next bar: pivots and squeezes are remembered here, all else by the indicators."""
        self.divergences.add(bar, close_ns, values.atr_14, (values.rsi_14, values.macd))
        if values.bb_upper is not None and values.bb_lower is not None and values.squeeze_bars is not None:
            self.breakout.add(bar.close, values.bb_upper, values.bb_lower, values.squeeze_bars)

    def read(self, close: Close) -> Opinion:
        """Return the opinion at the close of `close.values`."""
        v, p = close.values, self.parameters
        if v.rsi_14 is None or v.macd_histogram is None or v.bb_upper is None or v.atr_14 is None or v.adx_14 is None:
            return abstain(_WARMING_UP, {"bars": close.bars})
        if v.atr_14 <= 0:
            return abstain("no_range", {"bars": close.bars})
        live = self._live()
        following, fading = trend_members(v, v.atr_14, p), reversion_members(v, p)
        onward = {"breakout": self._broken_out(), "hidden_divergence": self._diverged(live, hidden=True)}
        back = {"divergence": self._diverged(live, hidden=False)}
        trend = weighed(following, onward, dict(p.trend_weights))
        reversion = weighed(fading, back, dict(p.reversion_weights))
        share = self._trend_share(close.regime or _WARMING_UP, v.adx_14)
        score = max(-1.0, min(1.0, share * trend + (1 - share) * reversion))
        facts: dict[str, Fact] = {
            "trend": trend,
            "reversion": reversion,
            "trend_share": share,
            "trend_members": _names(following | onward),
            "reversion_members": _names(fading | back),
            **{f"{name}_part": value for name, value in (following | onward | fading | back).items()},
            **(close.regime_facts or {"regime": close.regime}),
            "band_deviations": band_deviations(v),
            "vwap_deviations": vwap_deviations(v, p.vwap_least_bars),
            "vwap_distance_atr": None if v.vwap is None else (v.close - v.vwap) / v.atr_14,
            **_facts(v),
            "bars": close.bars,
        }
        for found in live:
            name = _SOURCES[found.source]
            facts[f"{name}_divergence"] = _kind(found)
            facts[f"{name}_divergence_formed_ns"] = found.formed_ns
            facts[f"{name}_divergence_known_ns"] = found.known_ns
        marks = tuple(_mark(found, self._worth(found)) for found in live)
        return Opinion(score, min(1.0, close.bars / p.warm_bars), facts, marks)

    def _trend_share(self, regime: str, adx: float) -> float:
        p = self.parameters
        strength = max(0.0, min(1.0, (adx - p.quiet_adx) / (p.trending_adx - p.quiet_adx)))
        least, most = next((least, most) for name, least, most in p.trend_shares if name == regime)
        return least + (most - least) * strength

    def _live(self) -> list[Divergence]:
        """Return the newest divergence of each oscillator, in their order, unless it is too old to count."""
        most = self.parameters.forget_horizons * self.parameters.divergence_horizon_bars
        found = self.divergences.found
        return [found[at] for at in range(len(_SOURCES)) if at in found and self._age(found[at]) <= most]

    def _age(self, found: Divergence) -> int:
        return self.divergences.count - found.number

    def _worth(self, found: Divergence) -> float:
        return exp(-self._age(found) / self.parameters.divergence_horizon_bars)

    def _diverged(self, live: list[Divergence], *, hidden: bool) -> float | None:
        """Return the mean of those of one kind, each worth less with its age; None without one."""
        worths = [found.side * self._worth(found) for found in live if found.hidden is hidden]
        return sum(worths) / len(worths) if worths else None

    def _broken_out(self) -> float | None:
        age, horizon = self.breakout.age, self.parameters.breakout_horizon_bars
        if not self.breakout.side or age > self.parameters.forget_horizons * horizon:
            return None
        return self.breakout.side * exp(-age / horizon)


def _names(members: Mapping[str, float | None]) -> str:
    return ",".join(name for name, value in members.items() if value is not None)


def _facts(v: Values) -> dict[str, Fact]:
    """Return what the indicators say, by their own names."""
    skipped = ("open_ns", "close", "obv")
    return {name: getattr(v, name) for name in v.__struct_fields__ if name not in skipped}


def _kind(found: Divergence) -> str:
    return f"{'hidden' if found.hidden else 'regular'}_{'bullish' if found.side > 0 else 'bearish'}"


def _mark(found: Divergence, strength: float) -> Mark:
    return Mark(
        kind=f"{_SOURCES[found.source]}_divergence",
        low=found.price,
        high=found.price,
        side=found.side,
        strength=strength,
        formed_ns=found.formed_ns,
        known_ns=found.known_ns,
        state=_kind(found),
    )
