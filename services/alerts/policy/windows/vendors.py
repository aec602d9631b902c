"""Vendors' numbers about one symbol in; the newest of each, and what whales moved in 10 min, out."""

from math import isfinite
from typing import Final

from msgspec import Struct, field

from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import DAY_NS, MINUTE_NS, Metric
from libs.common.events.catalogue import METRICS
from libs.common.events.seen import Seen
from services.alerts.policy.windows.rolling import MILLIONTHS, Rolling, millionths
from services.alerts.policy.windows.tally import Tally
from services.alerts.policy.windows.telling import subject

WHALES: Final = {"whale_long_opened": 0, "whale_long_closed": 0, "whale_short_opened": 1, "whale_short_closed": 1}
"""By side: 0 long, 1 short."""
MOMENTS: Final = frozenset({"liquidation_order_long", "liquidation_order_short", *WHALES})
"""Numbers of one moment: each is a story of its own. All others are states."""
_WHALES_NS: Final = 10 * MINUTE_NS
_STALE_NS: Final = 2 * DAY_NS
"""An older number of a source is not told beside a new one; the slowest numbers come once a day."""
_MOST_WHALES: Final = 1_024
_MOST_IDS: Final = 1_024
_MOST_EXCHANGES: Final = 64
_VALID_S: Final = 3_600
_VALID_MOMENT_S: Final = 300


class Numbers(Struct):
    """What one vendor said about one symbol."""

    states: dict[str, dict[str, tuple[int, float]]] = field(default_factory=dict)
    """By exchange (empty: all of them) and name: (time, value)."""
    moments: Seen = field(default_factory=lambda: Seen(_MOST_IDS))
    whales: Rolling = field(default_factory=lambda: Rolling(_WHALES_NS, _MOST_WHALES))

    def take(self, event: Metric, tally: Tally) -> list[Subject]:
        """Take a number, once; one that the vendor does not have is forgotten, so its fact is absent from then on."""
        if event.name not in METRICS or not (event.value is None or isfinite(event.value)):
            tally.damaged += 1
            return []
        if event.value is None:
            self.states.get(event.exchange or "", {}).pop(event.name, None)
            return []
        if event.name in MOMENTS:
            return self._moment(event, event.value, tally)
        return self._state(event, event.value, tally)

    def _state(self, event: Metric, value: float, tally: Tally) -> list[Subject]:
        exchange = event.exchange or ""
        states = self.states.get(exchange)
        if states is None:
            if len(self.states) >= _MOST_EXCHANGES:
                tally.refused += 1
                return []
            states = self.states[exchange] = {}
        known = states.get(event.name)
        if known is not None and known[0] > event.event_ns:
            tally.late += 1
            return []
        if known == (event.event_ns, value):
            tally.repeated += 1
            return []
        states[event.name] = (event.event_ns, value)
        facts: dict[str, Fact] = {
            name: number for name, (at_ns, number) in states.items() if at_ns > event.event_ns - _STALE_NS
        }
        if exchange:
            facts["exchange"] = exchange
        return [_told(Kind.METRIC, event, (exchange,), facts, _VALID_S)]

    def _moment(self, event: Metric, value: float, tally: Tally) -> list[Subject]:
        exchange = event.exchange or ""
        if not self.moments.add(f"{event.name}|{exchange}|{event.event_ns}|{value}"):
            tally.repeated += 1
            return []
        facts: dict[str, Fact] = {event.name: value}
        if exchange:
            facts["exchange"] = exchange
        told = [_told(Kind.METRIC, event, (exchange, event.name, str(event.event_ns)), facts, _VALID_MOMENT_S)]
        if event.name in WHALES:
            told += self._whale(event, value, tally)
        return told

    def _whale(self, event: Metric, value: float, tally: Tally) -> list[Subject]:
        amount = millionths(abs(value))
        if amount is None:
            tally.damaged += 1
            return []
        if event.event_ns <= self.whales.now_ns - _WHALES_NS:
            tally.late += 1
            return []
        tally.dropped += self.whales.add((event.event_ns, amount, WHALES[event.name]))
        total: Fact = sum(self.whales.totals) / MILLIONTHS
        return [_told(Kind.WHALE, event, (), {"whale_usd_10m": total}, _VALID_MOMENT_S)]


def _told(kind: Kind, event: Metric, rest: tuple[str, ...], facts: dict[str, Fact], valid_s: int) -> Subject:
    """Return the subject; a number about a coin is said for each of its markets, and is one story for all of them."""
    coin = event.symbol.partition("-")[0]
    return subject(
        kind,
        (event.venue, event.symbol),
        event.event_ns,
        "|".join((event.venue, coin, *rest)),
        facts,
        origin=event.origin,
        valid_s=valid_s,
    )
