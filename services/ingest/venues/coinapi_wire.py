"""CoinAPI on the wire: each message's shape and decoder; its times have seven digits. Pure."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, json

from services.ingest.venues.moments import Moment
from services.ingest.venues.wire import LevelSize, Price, Sequence

VENUE: Final = "coinapi"

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
