"""Hyperliquid on the wire: each payload's shape and decoder, and what its coins are called here. Pure.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api, pages "Notation", "Websocket, Subscriptions" and
"Info endpoint". Numbers are quoted on the wire although the pages call some of them numbers.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Raw, Struct, field, json

from libs.common.events.symbols import Symbol, SymbolError, perpetual
from services.ingest.venues.wire import LevelSize, Millis, Price, Rate, Size

VENUE: Final = "hyperliquid"
QUOTE: Final = "USDC"
"""What margin and profit are paid in; the oracle behind most of its contracts counts in USDT, at no exchange rate."""

TradeId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A hash of the two orders' ids, of 50 bits: unique together with the time of its block and the coin."""
Decimals = Annotated[int, Meta(ge=0, le=6)]


class Frame(Struct):
    """Every form: data, acknowledgement, error, pong."""

    channel: str
    data: Raw = field(default_factory=Raw)


class Trade(Struct):
    """One execution, of the socket and of REST; `side` is the aggressor's: `B` bought, `A` sold."""

    coin: str
    side: Literal["A", "B"]
    price: Price = field(name="px")
    size: Size = field(name="sz")
    event_ms: Millis = field(name="time")
    id: TradeId = field(name="tid")


class BookLevel(Struct):
    """What rests at a price."""

    price: Price = field(name="px")
    size: LevelSize = field(name="sz")


class Coin(Struct):
    """Whose a push is, before the rest of it is trusted."""

    coin: str


class Book(Struct):
    """The best levels of both sides, whole: bids, asks."""

    coin: str
    event_ms: Millis = field(name="time")
    levels: tuple[list[BookLevel], list[BookLevel]]


class Context(Struct, frozen=True):
    """The state of one contract; it says no time."""

    mark: Price = field(name="markPx")
    oracle: Price = field(name="oraclePx")
    funding: Rate
    """An hour's."""
    interest: LevelSize = field(name="openInterest")
    """Base units."""


class ContextPush(Struct):
    """A context and whose it is."""

    coin: str
    context: Context = field(name="ctx")


class Subscription(Struct):
    """What an acknowledgement repeats."""

    type: str
    coin: str = ""


class Acknowledgement(Struct):
    """The answer to a subscription, or to the end of one."""

    method: str
    subscription: Subscription


class Bar(Struct, frozen=True):
    """A candle; `end_ms` is its last millisecond."""

    open_ms: Millis = field(name="t")
    end_ms: Millis = field(name="T")
    coin: str = field(name="s")
    opened: Price = field(name="o")
    high: Price = field(name="h")
    low: Price = field(name="l")
    close: Price = field(name="c")
    volume: LevelSize = field(name="v")
    trades: Annotated[int, Meta(ge=0)] = field(name="n")


class Listing(Struct):
    """A row of the catalogue."""

    name: str
    size_decimals: Decimals = field(name="szDecimals")
    delisted: bool | None = field(name="isDelisted", default=None)


class Universe(Struct):
    """The catalogue of one exchange of contracts."""

    listings: list[Raw] = field(name="universe")


class Day(Struct):
    """What the catalogue's second half says of a day."""

    turnover: LevelSize = field(name="dayNtlVlm")


class Status(Struct):
    """The venue's own time."""

    now_ms: Millis = field(name="time")


decode_frame = json.Decoder(Frame).decode
decode_text = json.Decoder(str).decode
decode_rows = json.Decoder(list[Raw]).decode
decode_trade = json.Decoder(Trade, strict=False).decode
decode_coin = json.Decoder(Coin).decode
decode_book = json.Decoder(Book, strict=False).decode
decode_context = json.Decoder(ContextPush, strict=False).decode
decode_acknowledgement = json.Decoder(Acknowledgement).decode
decode_bars = json.Decoder(list[Bar], strict=False).decode
decode_catalogue = json.Decoder(tuple[Universe, list[Raw]]).decode
decode_listing = json.Decoder(Listing).decode
decode_day = json.Decoder(Day, strict=False).decode
decode_status = json.Decoder(Status).decode


def kind_of(name: str) -> Symbol:
    """Return the perpetual of a coin; `kPEPE` is priced and counted by the thousand: its base unit is 1000 PEPE.

    Raises:
        SymbolError: the name is none of ours, such as `xyz:TSLA` of a builder's own exchange, or `@107` of a spot pair.
    """
    if not name.isalnum():
        raise SymbolError(f"{name!r} names no perpetual of {VENUE}")
    thousands = name[:1] == "k" and name[1:2].isupper()
    return perpetual(f"1000{name[1:]}" if thousands else name, QUOTE)


def trade_id(trade: Trade) -> str:
    """Return what names a trade for good: the hash alone may come again."""
    return f"{trade.event_ms}-{trade.id}"


def trade_ms(ident: str) -> int:
    """Return when the trade of an id of `trade_id` happened.

    Raises:
        ValueError: it is none.
    """
    return int(ident.partition("-")[0])
