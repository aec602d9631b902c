"""Kraken on the wire, WebSocket v2 and REST: each payload's shape and decoder. Pure.

Numbers of the socket are JSON numbers whose digits matter: the checksum is made of them, trailing zeros included. So
levels are checked as numbers, and kept as the text they came in.

Shapes: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/book, `/trade`, `/status`, `/heartbeat` and
`/ping` there; https://docs.kraken.com/api-reference/market-data/get-recent-trades and its neighbours.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Raw, Struct, field, json

from services.ingest.venues.moments import Moment
from services.ingest.venues.wire import LevelSize, Price, Size

VENUE: Final = "kraken"

TradeId = Annotated[int, Meta(ge=1, le=2**62)]
"""0 is no id: until 2024-06 REST said it of some trades by mistake."""
Checksum = Annotated[int, Meta(ge=0, lt=2**32)]
Seconds = Annotated[int, Meta(ge=1_000_000_000, le=8_999_999_999)]
"""Since the epoch, 2001 to 2255."""


class Result(Struct):
    """What was subscribed to."""

    channel: str = ""
    symbol: str = ""
    depth: int | None = None


class Frame(Struct):
    """Every form of the socket: data, answers to requests, errors."""

    channel: str = ""
    type: str = ""
    data: Raw = field(default_factory=lambda: Raw(b"[]"))
    method: str = ""
    success: bool | None = None
    error: str = ""
    fault: str = field(name="Error", default="")
    """The spelling of "Exceeded msg rate"."""
    symbol: str = ""
    """Of an error."""
    request: int | None = field(name="req_id", default=None)
    result: Result = field(default_factory=Result)


class Named(Struct):
    """Whom a row is about."""

    symbol: str


class Trade(Struct):
    """One execution."""

    symbol: str
    side: Literal["buy", "sell"]
    """The taker's."""
    price: Price
    qty: Size
    trade_id: TradeId
    """A sequence number, unique per book."""
    timestamp: Moment


class Book(Struct):
    """Levels as they came, whole or changed."""

    bids: Raw = field(default_factory=lambda: Raw(b"[]"))
    asks: Raw = field(default_factory=lambda: Raw(b"[]"))
    checksum: Checksum | None = None
    timestamp: Moment | None = None
    """Snapshots recorded in 2024 have none."""


class BookLevel(Struct):
    """What rests at a price; 0 removes the level."""

    price: Price
    qty: LevelSize


class LevelText(Struct):
    """The same in the venue's own digits."""

    price: Raw
    qty: Raw


class Answer(Struct):
    """The envelope of every REST answer; errors come with status 200."""

    error: list[str]
    result: Raw = field(default_factory=lambda: Raw(b"{}"))


decode_frame = json.Decoder(Frame).decode
decode_rows = json.Decoder(list[Raw]).decode
decode_named = json.Decoder(Named).decode
decode_trade = json.Decoder(Trade).decode
decode_book = json.Decoder(Book).decode
check_levels = json.Decoder(list[BookLevel]).decode
"""Raises where a price or a size is none; the numbers themselves are made of the texts."""
decode_texts = json.Decoder(list[LevelText]).decode
decode_answer = json.Decoder(Answer).decode
decode_members = json.Decoder(dict[str, Raw]).decode
decode_execution = json.Decoder(tuple[Price, Size, Raw, Literal["b", "s"], str, str, TradeId], strict=False).decode
"""Of REST: price, size, seconds, the taker's side, order type, remark, id."""
