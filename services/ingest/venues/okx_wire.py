"""OKX v5 on the wire: each payload's shape and decoder; quoted numbers are checked here. Pure."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Raw, Struct, convert, field, json

from services.ingest.venues.wire import LevelSize, Millis, Price, Sequence, Size

VENUE: Final = "okx"

TradeId = Annotated[str, Meta(pattern=r"^[0-9]{1,20}$")]
Previous = Annotated[int, Meta(ge=-1, le=2**62)]
Checksum = Annotated[int, Meta(ge=-(2**31), lt=2**32)]


class Channel(Struct, frozen=True):
    """What a frame is about."""

    channel: str = ""
    native: str = field(name="instId", default="")
    kind: str = field(name="instType", default="")

    @property
    def label(self) -> str:
        """The channel and its subject in one word."""
        return f"{self.channel}:{self.native or self.kind}"


class Frame(Struct):
    """Every form: data, acknowledgement, error, notice."""

    event: str = ""
    arg: Channel = field(default_factory=Channel)
    action: str = ""
    data: list[Raw] = field(default_factory=list)
    code: str = ""
    msg: str = ""


class Trade(Struct):
    """Executions of one taker order at one price; `size` in the instrument's unit."""

    native: str = field(name="instId")
    id: TradeId = field(name="tradeId")
    price: Price = field(name="px")
    size: Size = field(name="sz")
    side: Literal["buy", "sell"]
    event_ms: Millis = field(name="ts")
    count: int | None = None
    """How many executions; their ids end at `id`. Frames before 2025 lack it."""


class Book(Struct):
    """Levels as they came; which numbers and letters are needed depends on the checksum."""

    bids: Raw
    asks: Raw
    event_ms: Millis = field(name="ts")
    sequence: Sequence | None = field(name="seqId", default=None)
    previous: Previous | None = field(name="prevSeqId", default=None)
    checksum: Checksum = 0


class Closing(Struct):
    """One forced closing; `side` is the closing order's."""

    side: Literal["buy", "sell"]
    price: Price = field(name="bkPx")
    size: Size = field(name="sz")
    event_ms: Millis = field(name="ts")


class Liquidations(Struct):
    """Closings of one instrument."""

    native: str = field(name="instId")
    details: list[Raw]


class Mark(Struct):
    """Mark price."""

    native: str = field(name="instId")
    price: Price = field(name="markPx")
    event_ms: Millis = field(name="ts")


class Funding(Struct, kw_only=True):
    """The rate of the running interval; old frames lack `ts`, some lack the rate."""

    native: str = field(name="instId")
    rate: str = field(name="fundingRate", default="")
    settles_ms: Millis = field(name="fundingTime")
    after_ms: str = field(name="nextFundingTime", default="")
    event_ms: Millis | None = field(name="ts", default=None)


class Interest(Struct, kw_only=True):
    """Open interest in contracts, coins and US dollars."""

    native: str = field(name="instId")
    contracts: LevelSize = field(name="oi")
    coins: LevelSize = field(name="oiCcy")
    dollars: LevelSize | None = field(name="oiUsd", default=None)
    event_ms: Millis = field(name="ts")


decode_frame = json.Decoder(Frame).decode
decode_trade = json.Decoder(Trade, strict=False).decode
decode_book = json.Decoder(Book, strict=False).decode
decode_levels = json.Decoder(list[tuple[Price, LevelSize, str, str]], strict=False).decode
decode_texts = json.Decoder(list[tuple[str, str, str, str]]).decode
decode_liquidations = json.Decoder(Liquidations).decode
decode_closing = json.Decoder(Closing, strict=False).decode
decode_mark = json.Decoder(Mark, strict=False).decode
decode_funding = json.Decoder(Funding, strict=False).decode
decode_interest = json.Decoder(Interest, strict=False).decode


def millis(text: str) -> int:
    """Return a quoted time in milliseconds.

    Raises:
        ValidationError: `text` is none.
    """
    return convert(text, Millis, strict=False)
