"""Closed bars and ratios in, how often each ratio's price was reached and held out: golden ratios against placebos."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from services.signals.engine.averages import Rma
from services.signals.engine.bars import Bar
from services.signals.engine.fibonacci.legs import Leg, Legs
from services.signals.engine.oscillators import true_range
from services.signals.engine.parameters.fibonacci import FibonacciParameters

PLACEBO: Final = (0.30, 0.44, 0.56, 0.70)
"""Ratios that nobody teaches, between those that everybody does."""


class Tally(Struct):
    """What became of the prices at one ratio: reached, and then held, or broken, or neither by the end of the bars."""

    reached: int = 0
    held: int = 0
    broken: int = 0

    @property
    def hold_rate(self) -> float | None:
        """Share held of those decided; None without any."""
        decided = self.held + self.broken
        return self.held / decided if decided else None


class _Trial(Struct):
    ratio: float
    leg: Leg
    level: float
    atr: float | None = None
    """At the touch; None before it."""


def tallies(bars: Iterable[Bar], ratios: Sequence[float], parameters: FibonacciParameters) -> dict[float, Tally]:
    """Return what became of every retracement of every leg, from when the leg was known.

    A level is on trial while its leg is the last one and the price has not taken back as much at the start. It is
    reached by the first bar that trades at it; held when a close, of that bar or a later one, first lies one ATR (as of
    that touch) on the leg's side of it, broken when one first lies so on the other side. `bars` have no holes.
    """
    counts = {ratio: Tally() for ratio in ratios}
    legs, atr, trials = Legs(parameters.wing_bars), Rma(14), list[_Trial]()
    for last, bar in pairwise(bars):
        range_ = atr.add(true_range(bar, last))
        trials = [trial for trial in trials if _goes_on(trial, bar, range_, counts[trial.ratio])]
        leg = legs.leg
        legs.add(bar, bar.open_ns)
        if legs.leg is None or legs.leg == leg or range_ is None:
            continue
        trials = [trial for trial in trials if trial.atr is not None]
        if legs.leg.size >= parameters.least_leg_atr * range_:
            taken = legs.leg.taken_back(bar.close)
            trials += [_Trial(ratio, legs.leg, legs.leg.retracement(ratio)) for ratio in ratios if taken < ratio]
    return counts


def _goes_on(trial: _Trial, bar: Bar, atr: float | None, tally: Tally) -> bool:
    """Return whether the trial is still undecided after `bar`."""
    up = trial.leg.direction > 0
    if trial.atr is None:
        if atr is None or (bar.low > trial.level if up else bar.high < trial.level):
            return True
        trial.atr = atr
        tally.reached += 1
    beyond = trial.leg.direction * (bar.close - trial.level) / trial.atr if trial.atr > 0 else 0.0
    if abs(beyond) < 1:
        return True
    if beyond > 0:
        tally.held += 1
    else:
        tally.broken += 1
    return False
