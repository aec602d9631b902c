"""What markets say, what vendors say of them, and holes in it.

Every time is an integer of nanoseconds since the epoch, UTC: `event_ns` by the venue's clock, `received_ns`
by ours. Prices are in quote currency per base unit, sizes in base units; never in contracts.

The three busiest events leave `origin` off the wire when it is `live`; all others spell out every field.
"""

from typing import TypeAlias

from msgspec import Struct

from libs.common.events.words import Origin, PositionSide, Side, Source, Timeframe

Level: TypeAlias = tuple[float, float]
"""(price, size): absolute, in quote currency and base units."""


class _Market(Struct, frozen=True, kw_only=True, tag_field="type"):
    venue: str
    """Lower-case name of the venue: `okx`, `binance-usdm`."""
    symbol: str
    """Canonical symbol, see `libs.common.events.symbols`."""
    event_ns: int
    """When it happened, by the venue's clock."""
    received_ns: int
    """When its frame was read, by our clock; 0 where a recording kept none."""
    origin: Origin = Origin.LIVE
    """Anything but live is shown to whoever reads it."""


class Trade(_Market, frozen=True, kw_only=True, omit_defaults=True, tag="trade"):
    """One execution, or a venue's aggregate of executions of one taker order at one price."""

    price: float
    size: float
    """Base units, greater than zero."""
    side: Side
    """The taker's side, whatever the venue calls it."""
    trade_id: str
    """The venue's id; unique with venue and symbol."""

    @property
    def notional(self) -> float:
        """Value in quote currency."""
        return self.price * self.size


class BookSnapshot(_Market, frozen=True, kw_only=True, omit_defaults=True, tag="book_snapshot"):
    """A whole order book as far as the venue shows it; it replaces what the reader had."""

    bids: tuple[Level, ...]
    """Best (highest) first."""
    asks: tuple[Level, ...]
    """Best (lowest) first."""
    sequence: int
    """The venue's id of the last change this snapshot contains."""


class BookDelta(_Market, frozen=True, kw_only=True, omit_defaults=True, tag="book_delta"):
    """Changed levels with absolute sizes; size 0 removes the level.

    A delta continues a book when `first_sequence` is the book's sequence + 1. Adapters have already checked the
    venue's own chain and normalise it to that rule; anything else on the topic means a lost message.
    """

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    first_sequence: int
    """Sequence of the state this delta continues, + 1."""
    last_sequence: int
    """Sequence of the state it leads to. A venue's maintenance reset may make it smaller."""


class Liquidation(_Market, frozen=True, kw_only=True, tag="liquidation"):
    """A forced closing. Most venues publish a sample only: sums are lower bounds."""

    price: float
    """Average fill price where the venue says it, else the bankruptcy or order price."""
    size: float
    liquidated: PositionSide
    """Who lost the position, whatever the venue calls its side."""

    @property
    def notional(self) -> float:
        """Value in quote currency."""
        return self.price * self.size


class Candle(_Market, frozen=True, kw_only=True, tag="candle"):
    """Open, high, low, close and volume over one timeframe; `event_ns` is when it was known.

    Only `closed` candles are final. A closed candle that is not `complete` misses part of its time (it began
    before we listened, or a gap lies in it): it is shown, but no indicator uses it.
    """

    timeframe: Timeframe
    open_ns: int
    """Opening time, inclusive; the candle covers [open_ns, open_ns + timeframe)."""
    open: float
    high: float
    low: float
    close: float
    volume: float
    """Base units."""
    taker_buy_volume: float | None = None
    """Base units bought by takers; absent where the source does not say."""
    trades: int | None = None
    """Number of trades; absent where the source does not say."""
    closed: bool = True
    complete: bool = True
    source: Source = Source.TRADES

    @property
    def close_ns(self) -> int:
        """End of the covered time, exclusive."""
        return self.open_ns + self.timeframe.ns


class FundingRate(_Market, frozen=True, kw_only=True, tag="funding_rate"):
    """What longs pay shorts at the next settlement."""

    rate: float
    """Fraction per interval: 0.0001 is one basis point; never percent, never annualised."""
    interval_s: int | None = None
    """Seconds between settlements; absent where the venue does not say."""
    next_funding_ns: int | None = None


class OpenInterest(_Market, frozen=True, kw_only=True, tag="open_interest"):
    """Open positions, one side counted."""

    contracts: float | None = None
    """In the venue's contracts."""
    base: float | None = None
    """In base units."""
    notional: float | None = None
    """In quote currency."""


class MarkPrice(_Market, frozen=True, kw_only=True, tag="mark_price"):
    """The price a venue margins by."""

    price: float
    index_price: float | None = None


class Gap(_Market, frozen=True, kw_only=True, tag="gap"):
    """A hole in the data is data. `event_ns` is when it was noticed."""

    stream: str
    """What has the hole: `trades`, `books`, `liquidations`, `candles`."""
    from_ns: int
    """Last event known to be there before the hole."""
    to_ns: int
    """First event known to be there after it; equals `from_ns` while open."""
    cause: str
    """One word: `sequence`, `disconnect`, `shed`, `restart`, `timeout`, `backfill`, `audit`, `damage`."""
    first_missing: str | None = None
    """Venue's id of the first missing item, where ids tell."""
    last_missing: str | None = None
    recovered: bool = False
    """True: the missing items were fetched and published after it; the hole is closed."""


class Metric(_Market, frozen=True, kw_only=True, tag="metric"):
    """One number that a vendor publishes about a coin or the whole market; `venue` is the vendor.

    A number about a coin is said once for each followed market of that coin, so that it stands in the partition of
    the market it informs; one about everything has the symbol `MARKET_WIDE`. `event_ns` is when the number was
    known: the end of the time it covers. `received_ns - event_ns` is how stale it was when it came.
    """

    name: str
    """A name of `libs.common.events.catalogue.METRICS`, which says what it means."""
    unit: str
    """The unit of `value`, as the catalogue says it."""
    value: float | None
    """None where the vendor gave none; then `cause` says why, and `event_ns` is when that was noticed."""
    interval_s: int | None = None
    """Seconds before `event_ns` that the number covers; absent for a state."""
    exchange: str | None = None
    """Whose number it is, in the vendor's spelling; absent where the vendor aggregates."""
    cause: str | None = None
    """Why there is no value; absent where there is one."""


MarketEvent: TypeAlias = (
    Trade | BookSnapshot | BookDelta | Liquidation | Candle | FundingRate | OpenInterest | MarkPrice | Gap | Metric
)
