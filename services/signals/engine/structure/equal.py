"""Equal highs and lows: standing pivots of one side that lie within a part of the ATR of each other."""

from collections.abc import Sequence

from services.signals.engine.structure.terms import Moment, Structure


def equal_level(
    pivot: Structure, others: Sequence[Structure], atr: float | None, within_atr: float
) -> Structure | None:
    """Return the cluster that a new pivot makes with earlier ones of its side, nobody having gone beyond in between.

    Its price is the mean, its zone the span, its birth that of the first of them; it is known with the last.
    """
    if not atr:
        return None
    side, members = pivot.side, [pivot]
    for other in reversed(others):
        if other.side != side or other is pivot:
            continue
        if abs(other.high - pivot.high) <= within_atr * atr:
            members.append(other)
        elif side * (other.high - pivot.high) > 0:
            break  # a more extreme one lies between: older ones are behind it
    if len(members) < 2:
        return None
    prices = [one.high for one in members]
    return Structure(
        kind="equal_highs" if side > 0 else "equal_lows",
        side=side,
        low=min(prices),
        high=max(prices),
        formed_ns=min(one.formed_ns for one in members),
        known_ns=pivot.known_ns,
        size_atr=(max(prices) - min(prices)) / atr,
        history=[Moment("fresh", pivot.known_ns)],
        bar=pivot.bar,
    )
