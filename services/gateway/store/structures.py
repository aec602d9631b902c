"""Readings of the layer `smc` to structures: each by its id, as it was last told, and when each state was first told.

Nothing is inferred from absence: a reading holds the structures nearest its price, and one that is not in it may have
ended or be farther away. Pure.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

from msgspec import Struct

from libs.common.events import LayerReading, Mark

LAYER: Final = "smc"

Key: TypeAlias = tuple[str, str, str, str, str]
"""(symbol, venue, origin, timeframe, mark_id)."""


class Structure(Struct, kw_only=True):
    """One structure."""

    mark: Mark
    """As the newest reading told it."""
    said_ns: int
    """That reading's time."""
    states: dict[str, int]
    """By state, the earliest time at which a reading told it."""

    @property
    def rank(self) -> tuple[int, str, float, float, float]:
        """Which of two tellings stands: the later one; of one time the greater, so that their order is nothing."""
        return self.said_ns, self.mark.state, self.mark.strength, self.mark.low, self.mark.high


def structures(readings: Iterable[LayerReading]) -> dict[Key, Structure]:
    """Return what `readings` tell, by key; in any order and however often they come."""
    found: dict[Key, Structure] = {}
    for reading in readings:
        if reading.layer != LAYER or reading.timeframe is None:
            continue
        for mark in reading.marks:
            if not mark.mark_id:
                continue
            key = (reading.symbol, reading.venue, str(reading.origin), str(reading.timeframe), mark.mark_id)
            told = Structure(mark=mark, said_ns=reading.as_of_ns, states={mark.state: reading.as_of_ns})
            known = found.get(key)
            found[key] = told if known is None else merge(known, told)
    return found


def merge(one: Structure, other: Structure) -> Structure:
    """Return what two tellings of one structure say together."""
    newer = max(one, other, key=lambda told: told.rank)
    states = dict(one.states)
    for state, at_ns in other.states.items():
        states[state] = min(at_ns, states.get(state, at_ns))
    return Structure(mark=newer.mark, said_ns=newer.said_ns, states=states)
