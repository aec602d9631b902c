"""Events in; the subjects that rules other than those about verdicts are asked about, out. Pure, event time only.

Rules are not asked about every event. At most once a second of event time each key is told, but for what may cross a
threshold within it (`windows/telling.py`); states that last are told every minute (funding, open interest), bursts
every 30 s until they have ebbed away, closed minutes and reports on feeds each.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from libs.common.conditions.subjects import Subject
from libs.common.events import (
    MINUTE_NS,
    Candle,
    FeedQuality,
    FundingRate,
    Gap,
    Liquidation,
    MarkPrice,
    Metric,
    OpenInterest,
    Outcome,
    Trade,
)
from libs.common.events.symbols import SymbolError, parse
from services.alerts.policy.windows import gaps, outcomes
from services.alerts.policy.windows.bursts import Burst
from services.alerts.policy.windows.extremes import Funding, Interest
from services.alerts.policy.windows.feeds import Feed
from services.alerts.policy.windows.groups import COINS, MID
from services.alerts.policy.windows.prints import LARGE_USD
from services.alerts.policy.windows.spikes import Spikes
from services.alerts.policy.windows.tally import Tally
from services.alerts.policy.windows.vendors import Numbers

DOLLARS: Final = frozenset({"USD", "USDT", "USDC"})
"""Quotes whose amounts count as US dollars; of other markets no fact is in dollars."""
_VENUES: Final = 256
"""Venues whose feeds are watched."""


class Market(Struct):
    """The windows of one venue's, or one vendor's, symbol; each is there once it was needed."""

    dollars: bool
    burst: Burst
    funding: Funding | None = None
    interest: Interest | None = None
    spikes: Spikes | None = None
    numbers: Numbers | None = None


class Watching(Struct):
    """The state of all windows; msgspec dumps and restores it."""

    most: int = 2_000
    """Markets; events of further ones are counted, and not watched."""
    markets: dict[str, dict[str, Market]] = field(default_factory=dict)
    """By venue and symbol."""
    feeds: dict[str, Feed] = field(default_factory=dict)
    size: int = 0
    """Markets that are watched."""
    tally: Tally = field(default_factory=Tally)

    def take(self, event: Struct) -> list[Subject]:
        """Take one event; return what is worth asking the rules about, often nothing. Other events are passed over."""
        watch = WINDOWS.get(type(event))
        return [] if watch is None else watch(self, event)

    def ahead(self, event: Trade | Liquidation | FundingRate | OpenInterest | MarkPrice | Metric) -> bool:
        """Return whether the event says that it happens a minute after it was received; it is counted, and no more."""
        if 0 < event.received_ns < event.event_ns - MINUTE_NS:
            self.tally.ahead += 1
            return True
        return False

    def market(self, venue: str, symbol: str) -> Market | None:
        """Return the market, watched from now on; None, counted, when there are enough."""
        symbols = self.markets.get(venue)
        market = symbols.get(symbol) if symbols is not None else None
        if market is not None:
            return market
        if self.size >= self.most:
            self.tally.refused += 1
            return None
        self.size += 1
        try:
            parsed = parse(symbol)
        except SymbolError:  # a number about the whole market
            dollars, group = False, None
        else:
            dollars = parsed.quote in DOLLARS
            group = COINS.get(parsed.base, MID).name if dollars else None
        market = self.markets.setdefault(venue, {})[symbol] = Market(dollars, Burst(group))
        return market


Watch: TypeAlias = Callable[[Watching, Any], list[Subject]]


def _trade(watching: Watching, event: Trade) -> list[Subject]:
    at_ns = event.event_ns
    try:
        market = watching.markets[event.venue][event.symbol]
    except KeyError:
        found = watching.market(event.venue, event.symbol)
        if found is None:
            return []
        market = found
    burst = market.burst
    burst.prints.heard_ns = at_ns
    if event.price * event.size >= LARGE_USD and market.dollars:
        if watching.ahead(event):
            return []
        told = burst.on_print(event, watching.tally)
        return told if at_ns < burst.due_ns else told + _ebb(watching, burst, event)
    return [] if at_ns < burst.due_ns else _ebb(watching, burst, event)


def _liquidation(watching: Watching, event: Liquidation) -> list[Subject]:
    market = watching.market(event.venue, event.symbol)
    return [] if market is None or watching.ahead(event) else market.burst.on_liquidation(event, watching.tally)


def _mark(watching: Watching, event: MarkPrice) -> list[Subject]:
    """Let time pass in a market that does not trade."""
    market = watching.markets.get(event.venue, {}).get(event.symbol)
    return [] if market is None or event.event_ns < market.burst.due_ns else _ebb(watching, market.burst, event)


def _funding(watching: Watching, event: FundingRate) -> list[Subject]:
    market = watching.market(event.venue, event.symbol)
    if market is None or watching.ahead(event):
        return []
    if market.funding is None:
        market.funding = Funding()
    return market.funding.take(event, watching.tally)


def _interest(watching: Watching, event: OpenInterest) -> list[Subject]:
    market = watching.market(event.venue, event.symbol)
    if market is None or watching.ahead(event):
        return []
    if market.interest is None:
        market.interest = Interest()
    return market.interest.take(event, watching.tally)


def _candle(watching: Watching, event: Candle) -> list[Subject]:
    if not event.closed:
        return []
    market = watching.market(event.venue, event.symbol)
    if market is None:
        return []
    if market.spikes is None:
        market.spikes = Spikes()
    return market.spikes.take(event, watching.tally)


def _metric(watching: Watching, event: Metric) -> list[Subject]:
    market = watching.market(event.venue, event.symbol)
    if market is None or watching.ahead(event):
        return []
    if market.numbers is None:
        market.numbers = Numbers()
    return market.numbers.take(event, watching.tally)


def _gap(_watching: Watching, event: Gap) -> list[Subject]:
    return gaps.take(event)


def _feed(watching: Watching, event: FeedQuality) -> list[Subject]:
    feed = watching.feeds.get(event.venue)
    if feed is None:
        if len(watching.feeds) >= _VENUES:
            watching.tally.refused += 1
            return []
        feed = watching.feeds[event.venue] = Feed()
    return feed.take(event, watching.tally)


def _outcome(_watching: Watching, event: Outcome) -> list[Subject]:
    return outcomes.take(event)


def _ebb(watching: Watching, burst: Burst, event: Trade | MarkPrice) -> list[Subject]:
    return [] if watching.ahead(event) else burst.ebb(event.venue, event.symbol, event.origin, event.event_ns)


WINDOWS: Final[Mapping[type[Struct], Watch]] = {
    Trade: _trade,
    Liquidation: _liquidation,
    MarkPrice: _mark,
    FundingRate: _funding,
    OpenInterest: _interest,
    Candle: _candle,
    Metric: _metric,
    Gap: _gap,
    FeedQuality: _feed,
    Outcome: _outcome,
}
"""Which events are watched, and by what."""
