"""Bybit v5 on the wire: each payload's shape and decoder, and how its instruments are told apart. Pure."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Raw, Struct, ValidationError, convert, field, json

from services.ingest.venues.wire import LevelSize, Millis, MillisOrZero, Price, Sequence, Size

VENUE: Final = "bybit"
SPOT: Final = "spot"
LINEAR: Final = "linear"
INVERSE: Final = "inverse"
CATEGORIES: Final = (LINEAR, INVERSE, SPOT)
"""Each has sockets of its own, and `BTCUSDT` is one thing on spot and another on linear."""

TradeId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z-]{1,64}$")]
"""A UUID on contracts, digits on spot; neither can be counted."""
Hours = Annotated[int, Meta(ge=1, le=168)]
TakerSide = Literal["Buy", "Sell"]


class Frame(Struct):
    """Every form: data, acknowledgement, error, pong."""

    topic: str = ""
    kind: str = field(name="type", default="")
    data: Raw = field(default_factory=Raw)
    event_ms: Millis | None = field(name="ts", default=None)
    matched_ms: Millis | None = field(name="cts", default=None)
    """When the matching engine made it; comparable with a trade's time."""
    success: bool | None = None
    message: str = field(name="ret_msg", default="")
    request: str = field(name="req_id", default="")
    op: str = ""


class Trade(Struct):
    """One execution; `size` in the instrument's unit."""

    native: str = field(name="s")
    id: TradeId = field(name="i")
    price: Price = field(name="p")
    size: Size = field(name="v")
    side: TakerSide = field(name="S")
    event_ms: Millis = field(name="T")
    block: bool = field(name="BT", default=False)


class Book(Struct):
    """Levels, whole or changed."""

    native: str = field(name="s")
    bids: Raw = field(name="b")
    asks: Raw = field(name="a")
    update: Sequence = field(name="u")


class Closing(Struct):
    """One liquidation; `side` is the position's: `Buy` lost a long."""

    native: str = field(name="s")
    side: TakerSide = field(name="S")
    price: Price = field(name="p")
    size: Size = field(name="v")
    event_ms: Millis = field(name="T")


class OldClosing(Struct):
    """The same in the channel that ended in 2025."""

    native: str = field(name="symbol")
    side: TakerSide
    price: Price
    size: Size
    event_ms: Millis = field(name="updatedTime")


class Ticker(Struct, frozen=True):
    """What is read of a ticker, in the venue's letters. None: not in this frame; empty: the instrument has none."""

    native: str = field(name="symbol")
    mark: str | None = field(name="markPrice", default=None)
    index: str | None = field(name="indexPrice", default=None)
    rate: str | None = field(name="fundingRate", default=None)
    next_ms: str | None = field(name="nextFundingTime", default=None)
    interval_h: str | None = field(name="fundingIntervalHour", default=None)
    both_sides: str | None = field(name="openInterest", default=None)
    both_sides_value: str | None = field(name="openInterestValue", default=None)
    one_side: str | None = field(name="singleOpenInterest", default=None)
    one_side_value: str | None = field(name="singleOpenInterestValue", default=None)


class RecentTrade(Struct):
    """One execution of a REST answer."""

    id: TradeId = field(name="execId")
    price: Price
    size: Size
    side: TakerSide
    event_ms: Millis = field(name="time")
    block: bool = field(name="isBlockTrade", default=False)


decode_frame = json.Decoder(Frame, strict=False).decode
decode_rows = json.Decoder(list[Raw]).decode
decode_trade = json.Decoder(Trade, strict=False).decode
decode_book = json.Decoder(Book, strict=False).decode
decode_levels = json.Decoder(list[tuple[Price, LevelSize]], strict=False).decode
decode_closing = json.Decoder(Closing, strict=False).decode
decode_old_closing = json.Decoder(OldClosing, strict=False).decode
decode_ticker = json.Decoder(Ticker).decode
decode_recent_trade = json.Decoder(RecentTrade, strict=False).decode


def native(category: str, name: str) -> str:
    """Return what names one instrument: a name alone does not."""
    return f"{category}:{name}"


def category_and_name(native_name: str) -> tuple[str, str]:
    """Return the parts of what `native` made."""
    category, _, name = native_name.partition(":")
    return category, name


def time_of(frame: Frame) -> int:
    """Return when the matching engine made a book, else when it was sent; milliseconds.

    Raises:
        ValidationError: the frame says neither.
    """
    millis = frame.matched_ms or frame.event_ms
    if millis is None:
        raise ValidationError("a book without its time")
    return millis


def amount(text: str) -> float:
    """Return an open interest.

    Raises:
        ValidationError: `text` is none.
    """
    return convert(text, LevelSize, strict=False)


def settlement_ms(text: str) -> int:
    """Return when funding is paid next; 0 says that it never is.

    Raises:
        ValidationError: `text` is no such time.
    """
    return convert(text, MillisOrZero, strict=False)


def delivery_ms(text: str) -> int:
    """Return when a dated contract is delivered.

    Raises:
        ValidationError: `text` is no such time.
    """
    return convert(text, Millis, strict=False)


def hours(text: str) -> int:
    """Return the hours between two settlements.

    Raises:
        ValidationError: `text` is none, or more than a week.
    """
    return convert(text, Hours, strict=False)
