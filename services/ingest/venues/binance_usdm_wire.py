"""Binance USD-M on the wire: each payload's shape and decoder; quoted numbers are checked here. Pure."""

from typing import Literal

from msgspec import Raw, Struct, field, json

from services.ingest.venues.wire import LevelSize, Millis, MillisOrZero, Price, Sequence, Size


class Frame(Struct):
    """Every form: wrapped, bare, acknowledgement, error."""

    stream: str = ""
    data: Raw = field(default_factory=Raw)
    event: str = field(name="e", default="")
    result: Raw = field(default_factory=Raw)
    error: Raw = field(default_factory=Raw)
    code: int | None = None
    id: int | str | None = None


class Event(Struct):
    """What every event says about itself."""

    event: str = field(name="e", default="")
    native: str = field(name="s", default="")
    execution: str = field(name="X", default="MARKET")
    st: int = 1
    """1 = USD-M, 2 = COIN-M; absent before 2026."""
    order: Raw = field(name="o", default_factory=Raw)


class Trade(Struct):
    """One execution."""

    event_ms: Millis = field(name="T")
    id: Sequence = field(name="t")
    price: Price = field(name="p")
    size: Size = field(name="q")
    buyer_is_maker: bool = field(name="m")


class AggTrade(Struct):
    """Executions of one taker order at one price; frames of 2019 have no `a`."""

    event_ms: Millis = field(name="T")
    price: Price = field(name="p")
    size: Size = field(name="q")
    buyer_is_maker: bool = field(name="m")
    first_id: Sequence = field(name="f")
    last_id: Sequence = field(name="l")
    id: Sequence | None = field(name="a", default=None)


class Depth(Struct):
    """Changed levels since `previous`."""

    pushed_ms: Millis = field(name="E")
    first: Sequence = field(name="U")
    last: Sequence = field(name="u")
    previous: Sequence = field(name="pu")
    bids: list[tuple[Price, LevelSize]] = field(name="b")
    asks: list[tuple[Price, LevelSize]] = field(name="a")
    matched_ms: Millis | None = field(name="T", default=None)


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


decode_frame = json.Decoder(Frame).decode
decode_rows = json.Decoder(list[Raw]).decode
decode_event = json.Decoder(Event).decode
decode_trade = json.Decoder(Trade, strict=False).decode
decode_agg_trade = json.Decoder(AggTrade, strict=False).decode
decode_depth = json.Decoder(Depth, strict=False).decode
decode_order = json.Decoder(Order, strict=False).decode
decode_mark = json.Decoder(Mark, strict=False).decode
decode_snapshot = json.Decoder(Snapshot, strict=False).decode
