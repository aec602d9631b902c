"""Opinions at the end of each minute in, kept until that minute's bars close, which may be later and know more."""

from collections.abc import Callable

from msgspec import Struct, field

from libs.common.events import MINUTE_NS, Timeframe
from services.signals.engine.layers.layer import Opinion


class Frozen(Struct):
    """What the tick layers said as a minute ended, before anything later was heard."""

    close_ns: int
    opinions: list[tuple[str, Opinion]]
    trade_id: str
    book_sequence: int


class Minutes(Struct):
    """The ended minutes whose bars are still open: one or two, or all of a silence that is just being filled."""

    next_ns: int = -1
    """End of the minute that is running."""
    frozen: list[Frozen] = field(default_factory=list)

    def end(self, event_ns: int, most_ns: int, ask: Callable[[int], Frozen]) -> None:
        """Freeze what `ask` says at the end of every minute that `event_ns` leaves behind, of at most `most_ns`."""
        minute_ns = Timeframe.M1.open_ns(event_ns)
        if self.next_ns > 0:
            last_ns = min(minute_ns, self.next_ns + most_ns + MINUTE_NS)
            self.frozen.extend(ask(close_ns) for close_ns in range(self.next_ns, last_ns + 1, MINUTE_NS))
        self.next_ns = minute_ns + MINUTE_NS

    def trim(self) -> None:
        """Keep only the newest: no bar is open that could need the others."""
        self.frozen = self.frozen[-2:]

    def take(self, close_ns: int) -> Frozen | None:
        """Return what was frozen at `close_ns`, and forget all before it."""
        keep = 0
        while keep < len(self.frozen) and self.frozen[keep].close_ns < close_ns:
            keep += 1
        del self.frozen[:keep]
        return self.frozen[0] if self.frozen and self.frozen[0].close_ns == close_ns else None
