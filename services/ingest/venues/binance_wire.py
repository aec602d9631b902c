"""Binance on the wire, spot and futures: each payload's shape and decoder; quoted numbers are checked here. Pure."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Raw, Struct, ValidationError, field, json

from services.ingest.venues.wire import LevelSize, Millis, MillisOrZero, Price, Sequence, Size, nanos

_LAST_MILLIS: Final = 9_000_000_000_000
_FIRST_MICROS: Final = 1_000_000_000_000_000

Stamp = Annotated[int, Meta(ge=1_000_000_000_000, le=9_000_000_000_000_000)]
"""Milliseconds or microseconds since the epoch, 2001 to 2255; `stamp_ns` tells which, or neither."""


class Frame(Struct):
    """Every form: wrapped, bare, acknowledgement, error."""

    stream: str = ""
    data: Raw = field(default_factory=Raw)
    event: str = field(name="e", default="")
    result: Raw = field(default_factory=Raw)
    error: Raw = field(default_factory=Raw)
    code: int | None = None
    id: int | str | None = None
    best: Raw = field(name="B", default_factory=Raw)
    """A bare best-price frame of spot has this, and no event."""
    sequence: Raw = field(name="lastUpdateId", default_factory=Raw)
    """A bare partial book of spot has this, and no symbol."""


class Event(Struct):
    """What every event says about itself."""

    event: str = field(name="e", default="")
    native: str = field(name="s", default="")
    execution: str = field(name="X", default="MARKET")
    st: int = 0
    """1 = USD-M, 2 = COIN-M; 0 where absent: on spot, and before 2026."""
    order: Raw = field(name="o", default_factory=Raw)


class Trade(Struct):
    """One execution."""

    time: Stamp = field(name="T")
    id: Sequence = field(name="t")
    price: Price = field(name="p")
    size: Size = field(name="q")
    buyer_is_maker: bool = field(name="m")


class AggTrade(Struct):
    """Executions of one taker order at one price; frames of 2019 have no `a`."""

    time: Stamp = field(name="T")
    price: Price = field(name="p")
    size: Size = field(name="q")
    buyer_is_maker: bool = field(name="m")
    first_id: Sequence = field(name="f")
    last_id: Sequence = field(name="l")
    id: Sequence | None = field(name="a", default=None)


class Depth(Struct):
    """Changed levels."""

    pushed: Stamp = field(name="E")
    first: Sequence = field(name="U")
    last: Sequence = field(name="u")
    bids: list[tuple[Price, LevelSize]] = field(name="b")
    asks: list[tuple[Price, LevelSize]] = field(name="a")
    matched: Stamp | None = field(name="T", default=None)
    """Absent on spot."""
    previous: Sequence | None = field(name="pu", default=None)
    """The `last` before; absent on spot, where `first` continues it."""


class Order(Struct):
    """A liquidation order; `side` closes the position."""

    side: Literal["BUY", "SELL"] = field(name="S")
    event_ms: Millis = field(name="T")
    size: LevelSize = field(name="q")
    price: LevelSize = field(name="p")
    average: LevelSize = field(name="ap", default=0.0)
    filled: LevelSize = field(name="z", default=0.0)


class Mark(Struct):
    """Mark price, and the funding rate of perpetuals."""

    event_ms: Millis = field(name="E")
    price: Price = field(name="p")
    index: Price | None = field(name="i", default=None)
    rate: str = field(name="r", default="")
    next_ms: MillisOrZero = field(name="T", default=0)


class Snapshot(Struct):
    """A depth answer, by REST."""

    sequence: Sequence = field(name="lastUpdateId")
    bids: list[tuple[Price, LevelSize]]
    asks: list[tuple[Price, LevelSize]]
    matched_ms: Millis | None = field(name="T", default=None)
    pushed_ms: Millis | None = field(name="E", default=None)


class PagedAggTrade(Struct):
    """An aggregate of a page, by REST."""

    id: Sequence = field(name="a")
    price: Price = field(name="p")
    size: Size = field(name="q")
    time: Stamp = field(name="T")
    buyer_is_maker: bool = field(name="m")


class PagedTrade(Struct):
    """A single execution of a page, by REST."""

    id: Sequence
    price: Price
    size: Size = field(name="qty")
    time: Stamp
    buyer_is_maker: bool = field(name="isBuyerMaker")


Candle = tuple[Millis, Price, Price, Price, Price, LevelSize, Millis, LevelSize, Sequence, LevelSize, LevelSize, str]
"""Open time, open, high, low, close, volume, close time, other volume, trades, taker's two volumes, unused.

The other volume counts the quote currency, or base units where the first counts inverse contracts.
"""

decode_frame = json.Decoder(Frame).decode
decode_rows = json.Decoder(list[Raw]).decode
decode_event = json.Decoder(Event).decode
decode_trade = json.Decoder(Trade, strict=False).decode
decode_agg_trade = json.Decoder(AggTrade, strict=False).decode
decode_depth = json.Decoder(Depth, strict=False).decode
decode_order = json.Decoder(Order, strict=False).decode
decode_mark = json.Decoder(Mark, strict=False).decode
decode_snapshot = json.Decoder(Snapshot, strict=False).decode
decode_candles = json.Decoder(list[Candle], strict=False).decode
decode_agg_trades = json.Decoder(list[PagedAggTrade], strict=False).decode
decode_trades = json.Decoder(list[PagedTrade], strict=False).decode


def stamp_ns(stamp: int, *, micros: bool) -> int:
    """Return a `Stamp` as nanoseconds; its size tells its unit, and microseconds are taken only where `micros`.

    Raises:
        ValidationError: it is in neither unit.
    """
    if stamp <= _LAST_MILLIS:
        return nanos(stamp)
    if micros and stamp >= _FIRST_MICROS:
        return stamp * 1_000
    raise ValidationError(f"{stamp} is no time in {'milli- or microseconds' if micros else 'milliseconds'}")
