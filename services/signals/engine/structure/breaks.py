"""Breaks of structure: a close beyond a standing pivot, once a pivot; with or against the bias, which it sets.

A wick beyond it is told too, once a pivot, and sets nothing.
"""

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
    """Body from which a change of character is a market structure shift, if it closes near its end."""
    displacement_close: float
    """How near: part of the bar's range."""
    bias: int = 0
    broken_high_ns: int = -1
    broken_low_ns: int = -1
    """Formation times of the pivots broken last."""
    wicked_high_ns: int = -1
    wicked_low_ns: int = -1
    """Formation times of the pivots that a wick went beyond last."""
    since: int = -1
    """Bar of the last break."""
    last: str = ""

    def wicks(self, swings: Swings, bar: Bar, close_ns: int, atr: float | None) -> list[Structure]:
        """Take a bar before `add` does; return the pivots that it went beyond without closing beyond: `wick_break`."""
        margin = self.margin_atr * atr if atr else 0.0
        high, low = swings.last(HIGH), swings.last(LOW)
        found: list[Structure] = []
        if (
            high is not None
            and bar.high > high.high + margin >= bar.close
            and high.formed_ns not in {self.broken_high_ns, self.wicked_high_ns}
        ):
            self.wicked_high_ns = high.formed_ns
            found.append(self._told("wick_break", HIGH, high, bar, close_ns))
        if (
            low is not None
            and bar.low < low.low - margin <= bar.close
            and low.formed_ns not in {self.broken_low_ns, self.wicked_low_ns}
        ):
            self.wicked_low_ns = low.formed_ns
            found.append(self._told("wick_break", LOW, low, bar, close_ns))
        return found

    def add(
        self, swings: Swings, bar: Bar, number: int, close_ns: int, atr: float | None, gap_side: int = 0
    ) -> Structure | None:
        """Take a bar after its swings; return the break that its close is: `bos`, `choch` or `mss`.

        The first break ever is a BOS. A change of character by displacement is an MSS: with a large body that closes
        near its bar's end, or with a fair-value gap of its side (`gap_side`) that the same close completes.
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
            word = "mss" if gap_side == side or self._displaced(bar, side, atr) else "choch"
        self.bias, self.since, self.last = side, number, word
        return self._told(word, side, pivot, bar, close_ns)

    def _displaced(self, bar: Bar, side: int, atr: float | None) -> bool:
        left = bar.high - bar.close if side > 0 else bar.close - bar.low
        near = left <= self.displacement_close * (bar.high - bar.low)
        return atr is not None and abs(bar.close - bar.open) >= self.displacement_atr * atr and near

    def _told(self, word: str, side: int, pivot: Structure, bar: Bar, close_ns: int) -> Structure:
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
