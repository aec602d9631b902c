"""Folded markets in, their profiles out, every ten seconds of a market's own time; no input of any signal."""

from collections.abc import Iterable
from typing import Final

from libs.common.events import SECOND_NS, Profile
from services.signals.engine.engine import Engine
from services.signals.merge import Arrived

EVERY_NS: Final = 10 * SECOND_NS


class Profiling:
    """Remembers when each market was last told; what a restart forgets is only said sooner."""

    def __init__(self, every_ns: int = EVERY_NS) -> None:
        self._every_ns = every_ns
        self._said_ns: dict[tuple[str, str], int] = {}

    def due(self, engine: Engine, batch: Iterable[Arrived]) -> list[Profile]:
        """Return the profiles of the markets of `batch` that were not told of for `every_ns` of event time."""
        said: list[Profile] = []
        touched = {(str(getattr(a.event, "venue", "")), str(getattr(a.event, "symbol", ""))) for a in batch}
        for venue, symbol in sorted(touched):
            heard_ns = engine.heard_ns(venue, symbol)
            before_ns = self._said_ns.get((venue, symbol))
            if heard_ns >= 0 and (before_ns is None or not 0 <= heard_ns - before_ns < self._every_ns):
                self._said_ns[venue, symbol] = heard_ns
                said += engine.profiles(venue, symbol)
        return said
