"""The layer `cvd` for one timeframe: what takers did in its bars, and where price and their balance part."""

from collections.abc import Sequence
from math import exp
from typing import ClassVar

from msgspec import Struct

from libs.common.events import Fact, Mark
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Values
from services.signals.engine.layers.layer import BarLayer, Close, Opinion
from services.signals.engine.parameters.cvd import CvdParameters
from services.signals.engine.tape.divergence import Divergences

_SILENT = Opinion(0.0, 0.0, {"cause": "no_ticks"})


class Part(Struct, frozen=True):
    """One part of the score and how much it counts now."""

    score: float
    weight: float


class CvdBars(BarLayer, tag="cvd_bars"):
    """score = (0.5 tick + 0.3 bars + 0.2 divergence) over the weights of the parts that are known.

    tick is the tape's own opinion, weighed by its confidence; bars the takers' delta over their volume in the newest
    bars; divergence the side of the last one, fading. Confidence is the share of the first two that is known.
    """

    name: ClassVar[str] = "cvd"

    told: CvdParameters
    divergences: Divergences

    @classmethod
    def new(cls, config: EngineConfig) -> "CvdBars":
        """Return a layer that has seen nothing."""
        return cls(config.cvd, Divergences.new(config.cvd))

    def on_bar(self, bar: Bar, values: Values, close_ns: int) -> None:
        """Take the next closed complete bar, the indicators at its close, and the time of that."""
        self.divergences.add(bar, close_ns, values.atr_14)

    def read(self, close: Close) -> Opinion:
        """Return the opinion at `close`."""
        told, tick = self.told, close.ticks.get(self.name, _SILENT)
        bars = _told(close.run[-told.bars :])
        parts = [Part(tick.score, told.tick_weight * tick.confidence)]
        share = _share(bars)
        if share is not None:
            parts.append(Part(share, told.bar_weight * len(bars) / told.bars))
        certainty = sum(part.weight for part in parts) / (told.tick_weight + told.bar_weight)
        facts = {**tick.facts, **self._facts(close, share)}
        if not certainty:
            return Opinion(0.0, 0.0, {"cause": "no_deltas", **facts})
        facts.pop("cause", None)
        if tick.confidence == 0:
            facts["tick_cause"] = tick.facts.get("cause")
        last = self.divergences.last
        if last is not None:
            age = self.divergences.recent.last - last.known_bar
            parts.append(Part(float(last.side), told.divergence_weight * exp(-age / told.divergence_bars)))
        total = sum(part.weight for part in parts)
        score = sum(part.score * part.weight for part in parts) / total
        return Opinion(max(-1.0, min(1.0, score)), min(1.0, certainty), facts, self._marks())

    def _facts(self, close: Close, share: float | None) -> dict[str, Fact]:
        facts: dict[str, Fact] = {"bars_buy_share": None if share is None else 0.5 + 0.5 * share}
        bar = close.run[-1] if close.run else None
        if bar is not None and bar.open_ns + close.timeframe.ns == close.close_ns:
            delta = bar.delta
            facts |= {
                "bar_delta_base": delta,
                "bar_delta_share": delta / bar.volume if delta is not None and bar.volume > 0 else None,
                "bar_delta_low_base": bar.delta_low,
                "bar_delta_high_base": bar.delta_high,
            }
        for name, side in (("high", 1), ("low", -1)):
            since = self.divergences.since(side)
            facts[f"delta_since_pivot_{name}_base"] = None if since is None else since[0]
        last = self.divergences.last
        if last is not None:
            facts |= {
                "divergence": last.kind,
                "divergence_side": last.side,
                "divergence_bars_ago": self.divergences.recent.last - last.known_bar,
                "divergence_deviations": last.deviations,
            }
        together = close.together
        if together is not None:
            facts |= {
                "aggregated_delta_base": together.delta if together.venues else None,
                "aggregated_volume_base": together.volume if together.venues else None,
                "aggregated_venues": ",".join(together.venues),
                "aggregated_missing": ",".join(together.missing),
            }
        return facts

    def _marks(self) -> tuple[Mark, ...]:
        last = self.divergences.last
        if last is None:
            return ()
        return (
            Mark(
                kind=f"cvd_divergence_{last.kind}",
                low=last.low,
                high=last.high,
                side=last.side,
                strength=min(1.0, last.deviations / 3),
                formed_ns=last.formed_ns,
                known_ns=last.known_ns,
            ),
        )


def _told(bars: Sequence[Bar]) -> list[Bar]:
    """Return the newest bars in a row whose delta is known."""
    known: list[Bar] = []
    for bar in reversed(bars):
        if bar.delta is None:
            break
        known.append(bar)
    return known


def _share(bars: list[Bar]) -> float | None:
    volume = sum(bar.volume for bar in bars)
    return sum(bar.delta or 0.0 for bar in bars) / volume if volume > 0 else None
