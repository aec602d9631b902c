"""CoinAPI on the wire: each message's shape and decoder, and its times of seven digits read exactly. Pure."""

import datetime as dt
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, ValidationError, json

from libs.common.events.words import SECOND_NS
from services.ingest.venues.wire import LevelSize, Price, Sequence

VENUE: Final = "coinapi"
FIRST_YEAR: Final = 2001
LAST_YEAR: Final = 2254
"""What fits the other venues' milliseconds."""

_EPOCH_DAY: Final = dt.date(1970, 1, 1).toordinal()
_DAY_S: Final = 86_400

Moment = Annotated[
    str,
    Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z\Z"),
]
"""ISO 8601, UTC; recorded with seven digits behind the point."""
TradeId = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,64}\Z")]
"""The vendor's `uuid`, which is not the exchange's own id."""
TakerSide = Literal["BUY", "SELL", "BUY_ESTIMATED", "SELL_ESTIMATED", "UNKNOWN"]


class Head(Struct):
    """What a message is and whom it is about."""

    type: str = ""
    symbol_id: str = ""
    message: str = ""
    """Of an error."""


class Execution(Struct, kw_only=True):
    """A trade as REST tells it."""

    time_exchange: Moment
    uuid: TradeId
    price: Price
    size: LevelSize
    """0 marks an index, which is no trade."""
    taker_side: TakerSide = "UNKNOWN"


class Trade(Execution, kw_only=True):
    """A trade of the socket."""

    sequence: Sequence


class BookLevel(Struct):
    """What rests at a price."""

    price: Price
    size: LevelSize


class Book(Struct, kw_only=True):
    """A book, whole or changed levels; `book5`, `book20` and `book50` are whole and do not say so."""

    time_exchange: Moment
    sequence: Sequence
    is_snapshot: bool | None = None
    asks: list[BookLevel]
    bids: list[BookLevel]


class Bar(Struct, kw_only=True):
    """A candle; one of a time without trades may come without prices."""

    time_period_start: Moment
    time_period_end: Moment
    price_open: Price | None = None
    price_high: Price | None = None
    price_low: Price | None = None
    price_close: Price | None = None
    volume_traded: LevelSize | None = None
    trades_count: Sequence | None = None


class Listing(Struct, kw_only=True):
    """A row of the catalogue; what does not apply to its kind is null or missing."""

    symbol_id: str
    exchange_id: str
    symbol_type: str
    asset_id_base: str
    asset_id_quote: str
    price_precision: LevelSize | None = None
    size_precision: LevelSize | None = None
    contract_unit: Price | None = None
    contract_unit_asset: str | None = None
    future_contract_unit: Price | None = None
    future_contract_unit_asset: str | None = None
    future_delivery_time: Moment | None = None
    contract_delivery_time: Moment | None = None
    symbol_id_exchange: str | None = None
    """The exchange's own name."""


decode_head = json.Decoder(Head).decode
decode_trade = json.Decoder(Trade).decode
decode_book = json.Decoder(Book).decode
decode_executions = json.Decoder(list[Execution]).decode
decode_bars = json.Decoder(list[Bar]).decode


def moment_ns(text: str) -> int:
    """Return the nanoseconds since the epoch of a `Moment`, exactly: no float, and no digit is lost.

    Raises:
        ValidationError: `text` names no day, or one before 2001 or after 2254.
    """
    year = int(text[:4])
    try:
        days = dt.date(year, int(text[5:7]), int(text[8:10])).toordinal() - _EPOCH_DAY
    except ValueError as e:
        raise ValidationError(f"{text} is no time: {e}") from None
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValidationError(f"{text} is not between {FIRST_YEAR} and {LAST_YEAR}")
    seconds = days * _DAY_S + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
    return seconds * SECOND_NS + int(text[20:-1].ljust(9, "0"))


def moment(at_ns: int) -> str:
    """Return a time as the vendor writes it, cut to its seven digits."""
    days, within_ns = divmod(at_ns, _DAY_S * SECOND_NS)
    day = dt.date.fromordinal(_EPOCH_DAY + days)
    seconds, rest_ns = divmod(within_ns, SECOND_NS)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{day.isoformat()}T{hour:02}:{minute:02}:{second:02}.{rest_ns // 100:07}Z"
