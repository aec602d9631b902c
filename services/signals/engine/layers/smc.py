"""Layer `smc`, smart money concepts: which way was structure last broken, and what lies near that was not used yet?

Definitions: docs/layers/smc.md. There is no controlled study of them: they are a vocabulary, and their weight a prior.
"""

from math import exp
from typing import ClassVar

from msgspec import Struct

from libs.common.events import Fact, Mark
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Values
from services.signals.engine.layers.layer import BarLayer, Close, Opinion, abstain
from services.signals.engine.marks import marks_near
from services.signals.engine.parameters.smc import SmcParameters
from services.signals.engine.structure.smart_money import SmartMoney
from services.signals.engine.structure.terms import Structure


class Reach(Struct, frozen=True):
    """The nearest unused zone of one side."""

    zone: Structure
    weight: float
    """In [0, 1]: 1 at the price, 0 at the end of the reach; half of it for one that is half used."""


class Smc(BarLayer, tag="smc"):
    """score = trend + internal + zones + range + sweep, each times its weight, all odd under mirroring.

    trend and internal are the biases of the two scales (+1, 0, -1); zones the nearest unused support less the nearest
    unused resistance; range 1 - 2 x the position in the dealing range, clipped: discount speaks for higher prices;
    sweep the side of the last sweep, fading.
    """

    name: ClassVar[str] = "smc"

    told: SmcParameters
    found: SmartMoney

    @classmethod
    def new(cls, config: EngineConfig) -> "Smc":
        """Return a layer that has seen nothing."""
        return cls(config.smc, SmartMoney.new(config.smc))

    def on_bar(self, bar: Bar, values: Values, close_ns: int) -> None:
        """Take the next closed complete bar, the indicators at its close, and the time of that."""
        self.found.add(bar, close_ns, values.atr_14)

    def read(self, close: Close) -> Opinion:
        """Return the opinion at `close`."""
        atr, told, found = close.values.atr_14, self.told, self.found
        if atr is None or close.bars < 2 * told.internal_right + told.internal_left:
            return abstain("warming_up", {"bars": close.bars})
        if atr <= 0:
            return abstain("no_range", {"bars": close.bars})
        price = close.price
        support, resistance = self._nearest(1, price, atr), self._nearest(-1, price, atr)
        zones = (support.weight if support else 0.0) - (resistance.weight if resistance else 0.0)
        position, retracement = found.position(price), found.retracement(price)
        place = 0.0 if position is None else max(-1.0, min(1.0, 1.0 - 2.0 * position))
        age = found.recent.last - found.sweep_bar
        sweep = found.sweep_side * exp(-age / told.sweep_bars) if found.sweep_bar >= 0 else 0.0
        parts = {
            "trend": told.trend_weight * found.trend.bias,
            "internal": told.internal_weight * found.inner.bias,
            "zones": told.zone_weight * zones,
            "range": told.range_weight * place,
            "sweep": told.sweep_weight * sweep,
        }
        score = max(-1.0, min(1.0, sum(parts.values())))
        known = sum((found.trend.bias != 0, found.inner.bias != 0, position is not None))
        confidence = min(1.0, close.bars / told.warm_bars) * (1 + known) / 4
        facts: dict[str, Fact] = {f"{name}_part": part for name, part in parts.items()}
        facts |= {
            "trend_bias": found.trend.bias,
            "internal_bias": found.inner.bias,
            "last_break": found.trend.last or None,
            "last_break_bars_ago": found.recent.last - found.trend.since if found.trend.since >= 0 else None,
            "last_internal_break": found.inner.last or None,
            "range_position": position,
            "range_label": _place(position),
            "range_retracement": retracement,
            "in_ote": None if retracement is None else told.ote_low <= retracement <= told.ote_high,
            "nearest_support_atr": (price - support.zone.high) / atr if support else None,
            "nearest_resistance_atr": (resistance.zone.low - price) / atr if resistance else None,
            "last_sweep": found.sweep_kind or None,
            "last_sweep_side": found.sweep_side if found.sweep_bar >= 0 else None,
            "last_sweep_bars_ago": age if found.sweep_bar >= 0 else None,
            "live_order_blocks": len(found.blocks.supports) + len(found.blocks.resists),
            "live_fair_value_gaps": len(found.gaps.supports) + len(found.gaps.resists),
            "forgotten_structures": found.forgotten,
            "bars": close.bars,
        }
        return Opinion(score, confidence, facts, self._marks(price, atr))

    def _nearest(self, side: int, price: float, atr: float) -> Reach | None:
        """Return the live zone of a side that counts most: the nearer and the less used; not one beyond the price."""
        best: Reach | None = None
        for zones in (self.found.blocks, self.found.gaps):
            for zone in zones.supports if side > 0 else zones.resists:
                away = max(price - zone.high, 0.0) if side > 0 else max(zone.low - price, 0.0)
                beyond = price < zone.low if side > 0 else price > zone.high
                if beyond or away > self.told.reach_atr * atr:
                    continue
                used = 0.5 if zones.fill(zone) >= 0.5 else 1.0
                weight = used * (1.0 - away / (self.told.reach_atr * atr))
                if best is None or weight > best.weight:
                    best = Reach(zone, weight)
        return best

    def _marks(self, price: float, atr: float) -> tuple[Mark, ...]:
        """Return the live zones and untouched levels near the price."""
        reach = self.told.reach_atr * atr
        low, high = price - reach, price + reach
        marks: list[Mark] = []
        for zones in (self.found.blocks, self.found.gaps):
            for side, live in ((1, zones.supports), (-1, zones.resists)):
                marks += [
                    zone.mark(side, 1.0 - 0.5 * zones.fill(zone))
                    for zone in live
                    if zone.high >= low and zone.low <= high
                ]
        for level in (*self.found.levels.above, *self.found.levels.below):
            if low <= level.price <= high:
                marks.append(
                    Mark(
                        kind=level.kind,
                        low=level.price,
                        high=level.price,
                        side=-level.side,
                        strength=0.5,
                        formed_ns=level.formed_ns,
                        known_ns=level.known_ns,
                        state="untouched",
                        mark_id=level.structure_id,
                    )
                )
        return marks_near(marks, price, self.told.most_marks)


def _place(position: float | None) -> str | None:
    """Return the teaching's word for a place in the dealing range."""
    if position is None:
        return None
    if position < 0 or position > 1:
        return "outside"
    return "equilibrium" if position == 0.5 else "premium" if position > 0.5 else "discount"
