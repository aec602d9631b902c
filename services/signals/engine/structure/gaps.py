"""Fair-value gaps: prices that three bars in a row jumped over."""

from services.signals.engine.structure.recent import Recent
from services.signals.engine.structure.terms import Moment, Structure


def fair_value_gap(recent: Recent, close_ns: int, atr: float | None, min_atr: float) -> Structure | None:
    """Return the gap between the first and the third of the newest three bars, drawn at the middle one.

    Upwards: the third's low above the first's high, and a middle bar that closes above its open; mirrored downwards.
    A gap below `min_atr` ATR is none, and while the ATR warms up only a minimum of 0 lets one through.
    """
    if len(recent.bars) < 3:
        return None
    first, middle, third = recent.bars[-3:]
    if third.low > first.high and middle.close > middle.open:
        side, low, high = 1, first.high, third.low
    elif third.high < first.low and middle.close < middle.open:
        side, low, high = -1, third.high, first.low
    else:
        return None
    if min_atr > 0 and (atr is None or high - low < min_atr * atr):
        return None
    deltas = [bar.delta for bar in (first, middle, third) if bar.delta is not None]
    return Structure(
        kind="fair_value_gap",
        side=side,
        low=low,
        high=high,
        formed_ns=middle.open_ns,
        known_ns=close_ns,
        size_atr=(high - low) / atr if atr else None,
        volume=first.volume + middle.volume + third.volume,
        delta=sum(deltas) if len(deltas) == 3 else None,
        history=[Moment("fresh", close_ns)],
        bar=recent.last - 1,
    )
