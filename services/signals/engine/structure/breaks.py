"""Breaks of structure: a close beyond a standing pivot, once a pivot; with or against the bias, which it sets."""

from msgspec import Struct

from services.signals.engine.bars import Bar
from services.signals.engine.structure.swings import HIGH, LOW, Swings
from services.signals.engine.structure.terms import Moment, Structure


class Breaks(Struct):
    """The bias of one scale and the pivots that it has already broken."""

    scale: str
    margin_atr: float
    """How far beyond the pivot the close must lie."""
    displacement_atr: float
    """Body from which a change of character is a market structure shift."""
    bias: int = 0
    broken_high_ns: int = -1
    broken_low_ns: int = -1
    """Formation times of the pivots broken last."""
    since: int = -1
    """Bar of the last break."""
    last: str = ""

    def add(self, swings: Swings, bar: Bar, number: int, close_ns: int, atr: float | None) -> Structure | None:
        """Take a bar after its swings; return the break that its close is: `bos`, `choch` or `mss`.

        The first break ever is a BOS. A change of character whose body is a displacement is an MSS.
        """
        margin = self.margin_atr * atr if atr else 0.0
        close = bar.close
        high, low = swings.last(HIGH), swings.last(LOW)
        if high is not None and close > high.high + margin and high.formed_ns != self.broken_high_ns:
            pivot, side, self.broken_high_ns = high, HIGH, high.formed_ns
        elif low is not None and close < low.low - margin and low.formed_ns != self.broken_low_ns:
            pivot, side, self.broken_low_ns = low, LOW, low.formed_ns
        else:
            return None
        if self.bias in {0, side}:
            word = "bos"
        else:
            displaced = atr is not None and abs(close - bar.open) >= self.displacement_atr * atr
            word = "mss" if displaced else "choch"
        self.bias, self.since, self.last = side, number, word
        return Structure(
            kind=f"{self.scale}_{word}",
            side=side,
            low=pivot.low,
            high=pivot.high,
            formed_ns=pivot.formed_ns,
            known_ns=close_ns,
            volume=bar.volume,
            delta=bar.delta,
            history=[Moment("broken", close_ns)],
            bar=pivot.bar,
        )
