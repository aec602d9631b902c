"""Numbers of vendors in; for a market that is new, the newest of those about it out."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from libs.common.events import Metric
from libs.common.events.catalogue import MARKET_WIDE

MOST_METRICS: Final = 4_096


class Vendors(Struct):
    """The newest metric by vendor, name, exchange and symbol, in the order in which they were last said."""

    kept: dict[str, Metric] = field(default_factory=dict)
    dropped: int = 0

    def add(self, metric: Metric) -> None:
        """Remember `metric` unless a newer one is known; what was not said for longest makes room."""
        key = f"{metric.venue}|{metric.name}|{metric.exchange or ''}|{metric.symbol}"
        known = self.kept.get(key)
        if known is not None and known.event_ns > metric.event_ns:
            return
        self.kept.pop(key, None)
        self.kept[key] = metric
        if len(self.kept) > MOST_METRICS:
            del self.kept[next(iter(self.kept))]
            self.dropped += 1

    def about(self, symbol: str) -> Iterator[Metric]:
        """Yield what is known about `symbol`, or about everything."""
        for metric in self.kept.values():
            if metric.symbol in {symbol, MARKET_WIDE}:
                yield metric
