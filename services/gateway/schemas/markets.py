"""Views of markets: prices, candles, books and what the layers read. Pure."""

from msgspec import Struct

from libs.common.events import Candle, Fact, Mark, Origin, Side, Source, Timeframe
from services.gateway.schemas.provenance import Datum, OfMarket, Quality
from services.gateway.schemas.times import rfc3339


class Price(Struct, frozen=True, kw_only=True):
    """The last trade of a market."""

    venue: str
    symbol: str
    origin: Origin
    source: str = "trades"
    price: float
    size: float
    side: Side
    trade_id: str
    event_ns: int
    event_time: str
    seen_ns: int
    age_s: float = 0.0
    stale: bool = False


class Book(Struct, frozen=True, kw_only=True):
    """The best levels of an order book, as of `sequence`."""

    venue: str
    symbol: str
    origin: Origin
    source: str = "books"
    in_sync: bool
    cause: str | None = None
    """Why there are no levels, when it is not in sync."""
    sequence: int
    bids: tuple[tuple[float, float], ...]
    """(price, size), best first."""
    asks: tuple[tuple[float, float], ...]
    event_ns: int
    event_time: str
    seen_ns: int
    age_s: float = 0.0
    stale: bool = False
    """True: an older view, for instance from before a restart of the gateway; the next snapshot renews it."""


class BookAnswer(Struct, frozen=True, kw_only=True):
    """One venue's book, and by which rule that venue was chosen."""

    chosen_by: str
    quality: Quality | None
    """Of the venue's feed; absent with its cause."""
    quality_cause: str | None
    book: Book


class Reading(Struct, frozen=True, kw_only=True):
    """What one layer of the engine reads."""

    venue: str
    symbol: str
    origin: Origin
    source: str = "signals"
    layer: str
    timeframe: Timeframe | None
    score: float
    confidence: float
    facts: dict[str, Fact]
    marks: tuple[Mark, ...] = ()
    """The prices it speaks of, nearest first: all that the layer published."""
    as_of_ns: int
    as_of: str
    seen_ns: int
    age_s: float = 0.0
    stale: bool = False


class Readings(OfMarket, frozen=True, kw_only=True):
    """The newest reading of every layer."""

    readings: list[Reading]


class Market(Datum, frozen=True, kw_only=True):
    """One symbol at one venue."""

    venue: str
    symbol: str
    origin: Origin
    stale: bool
    quality: Quality | None
    """Of the venue's feed; absent with its cause."""
    quality_cause: str | None
    last: Price | None
    """Absent until a trade came."""


class Markets(Struct, frozen=True, kw_only=True):
    """Every known market."""

    data: list[Market]


class Bar(Struct, frozen=True, kw_only=True):
    """One candle; it covers [open_ns, close_ns)."""

    open_ns: int
    open_time: str
    close_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    """Base units."""
    taker_buy_volume: float | None
    trades: int | None
    closed: bool
    complete: bool
    """False: part of its time was not observed; no indicator uses it."""
    source: Source


class LiveBar(Struct, frozen=True, kw_only=True):
    """A candle on the stream."""

    venue: str
    symbol: str
    timeframe: str
    origin: Origin
    candle: Bar


class Candles(OfMarket, frozen=True, kw_only=True):
    """Candles of one market and timeframe, oldest first."""

    timeframe: Timeframe
    has_more: bool
    """There are older ones in the range: ask again with `to_ns` = the first candle's `open_ns`."""
    data: list[Bar]


def bar(candle: Candle) -> Bar:
    """Return the view of a candle."""
    return Bar(
        open_ns=candle.open_ns,
        open_time=rfc3339(candle.open_ns),
        close_ns=candle.close_ns,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        taker_buy_volume=candle.taker_buy_volume,
        trades=candle.trades,
        closed=candle.closed,
        complete=candle.complete,
        source=candle.source,
    )
