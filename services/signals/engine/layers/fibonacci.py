"""Layer `fibonacci`: where does the price stand in the last confirmed leg, and what lies at its ratios?"""

from collections.abc import Sequence
from math import exp
from typing import ClassVar

from libs.common.events import Fact, Mark
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.fibonacci.legs import Leg, Legs
from services.signals.engine.indicators import Values
from services.signals.engine.layers.layer import BarLayer, Close, Opinion, abstain
from services.signals.engine.parameters.fibonacci import FibonacciParameters


class Fibonacci(BarLayer, tag="fibonacci"):
    """A leg that has been taken back as far as its golden zone is weakly expected to go on.

    The evidence for these ratios is weak, so the score is small. docs/layers/fibonacci.md has the formulas.
    """

    name: ClassVar[str] = "fibonacci"

    legs: Legs
    parameters: FibonacciParameters

    @classmethod
    def new(cls, config: EngineConfig) -> "Fibonacci":
        """Return a layer that has seen nothing."""
        return cls(Legs(config.fibonacci.wing_bars), config.fibonacci)

    def on_bar(self, bar: Bar, values: Values, close_ns: int) -> None:  # noqa: ARG002  # swings need no indicator
        """Take the next closed complete bar."""
        self.legs.add(bar, close_ns)

    def read(self, close: Close) -> Opinion:
        """Return the opinion at `close`."""
        p, atr, leg = self.parameters, close.values.atr_14, self.legs.leg
        if atr is None:
            return abstain("warming_up", {"bars": close.bars})
        if atr <= 0:
            return abstain("no_range", {"bars": close.bars})
        if leg is None:
            return abstain("no_leg", {"bars": close.bars})
        facts: dict[str, Fact] = {
            "leg_direction": leg.direction,
            "leg_start": leg.start.price,
            "leg_end": leg.end.price,
            "leg_atr": leg.size / atr,
            "bars_since_leg_end": (close.close_ns - leg.end.open_ns) // close.timeframe.ns - 1,
        }
        if leg.size < p.least_leg_atr * atr:
            return abstain("leg_too_short", facts)
        levels = levels_of(leg, p)
        ratio, nearest = min(levels, key=lambda level: abs(close.price - level[1]))
        taken = leg.taken_back(close.price)
        confluence = near_marks(nearest, close.marks, p.confluence_atr * atr)
        facts |= {
            "taken_back": taken,
            "nearest_ratio": ratio,
            "nearest_level": nearest,
            "nearest_distance_atr": (close.price - nearest) / atr,
            "golden_zone": p.golden[0] <= taken <= p.golden[1],
            "optimal_entry": p.optimal_entry[0] <= taken <= p.optimal_entry[1],
            "confluence": confluence,
        }
        score = leg.direction * p.gain * hold(taken, p) * (0.5 + 0.5 * confluence)
        confidence = p.most_confidence * min(1.0, leg.size / (p.full_leg_atr * atr))
        return Opinion(score, confidence, facts, self._marks(leg, levels, close))

    def _marks(self, leg: Leg, levels: Sequence[tuple[float, float]], close: Close) -> tuple[Mark, ...]:
        """Return the levels and the golden zone as marks, nearest the price first."""
        price, length, p = close.price, close.timeframe.ns, self.parameters
        formed_ns, known_ns = leg.end.open_ns + length, leg.end.known_ns
        name = f"{close.timeframe}|{leg.start.open_ns}|{leg.end.open_ns}"
        zone = sorted(leg.retracement(ratio) for ratio in p.golden)
        shapes = [(f"fib_{round(ratio * 1000)}", level, level, p.level_strength) for ratio, level in levels]
        shapes.append(("fib_golden_zone", zone[0], zone[1], p.zone_strength))
        marks = [
            Mark(
                kind=kind,
                low=low,
                high=high,
                side=1 if high <= price else -1 if low >= price else leg.direction,
                strength=strength,
                formed_ns=formed_ns,
                known_ns=known_ns,
                mark_id=f"{kind}|{name}",
            )
            for kind, low, high, strength in shapes
            if low > 0
        ]
        return tuple(sorted(marks, key=lambda mark: (max(mark.low - price, price - mark.high, 0.0), mark.low)))


def levels_of(leg: Leg, parameters: FibonacciParameters) -> list[tuple[float, float]]:
    """Return (ratio, price) of every retracement and extension of `leg`; a price below 0 is none."""
    levels = [(ratio, leg.retracement(ratio)) for ratio in parameters.retracements]
    levels += [(ratio, leg.extension(ratio)) for ratio in parameters.extensions]
    return [level for level in levels if level[1] > 0]


def hold(taken: float, parameters: FibonacciParameters) -> float:
    """Return 0 up to the approach, 1 in the golden zone, and 0 again where all of the leg is taken back; linear."""
    first, last = parameters.golden
    if taken <= first:
        return max(0.0, (taken - parameters.approach) / (first - parameters.approach))
    return 1.0 if taken <= last else max(0.0, (1.0 - taken) / (1.0 - last))


def near_marks(level: float, marks: Sequence[Mark], within: float) -> float:
    """Return in [0, 1) how much other layers' marks, by strength and closeness, lie within `within` of `level`.

    What a MODEL assumes does not count: it was never observed.
    """
    total = 0.0
    for mark in marks:
        distance = max(mark.low - level, level - mark.high, 0.0)
        if distance < within and mark.state != "MODEL":
            total += mark.strength * (1 - distance / within)
    return 1.0 - exp(-total)
