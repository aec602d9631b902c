"""The words between a venue and its shell: streams, instruments, requests, and what a frame leads to. Pure."""

from enum import StrEnum, unique
from typing import TypeAlias

from msgspec import Struct

from libs.common.events import ListingStatus, MarketEvent
from libs.common.events.symbols import Symbol


@unique
class Stream(StrEnum):
    """What one can listen to; also the `stream` of a Gap."""

    TRADES = "trades"
    BOOKS = "books"
    LIQUIDATIONS = "liquidations"
    FUNDING = "funding"


@unique
class TradeIds(StrEnum):
    """What a venue's trade ids tell."""

    CONSECUTIVE = "consecutive"
    """Each is the one before plus one: a jump proves a loss."""
    RISING = "rising"
    """They have an order, but live trades are aggregates named by their last id: the session tells of a loss."""
    UNORDERED = "unordered"
    """Only a lost connection raises the suspicion of a hole."""


class Instrument(Struct, frozen=True, kw_only=True):
    """One tradable thing, as the venue's catalogue describes it."""

    symbol: str
    """Canonical."""
    native: str
    """The venue's own name."""
    kind: Symbol
    tick: float
    """Price step, quote currency."""
    lot: float
    """Size step, base units (inverse contracts: contracts)."""
    contract_size: float = 1.0
    """What one unit of the venue's size is worth: base units, or quote currency when `inverse`. 1 on spot."""
    inverse: bool = False
    status: ListingStatus = ListingStatus.LIVE
    listed_ns: int | None = None
    """When it began to trade; absent where the venue does not say."""
    delisting_ns: int | None = None
    """When it stops to trade: delivery, or the end that the venue announced; absent where it says none."""
    aliases: tuple[str, ...] = ()
    """Other names the venue has, or had, for it."""

    @property
    def live(self) -> bool:
        """Whether it trades now."""
        return self.status is ListingStatus.LIVE


class Rejected(Struct, frozen=True, kw_only=True):
    """A frame, or a part of one, that could not be read; it is counted and parked, and the session goes on."""

    reason: str
    """One word for counting: `decode`, `unknown_channel`, `oversize`, `value`, `unknown_instrument`, `error_frame`,
    `unverifiable`, `unexpected`."""
    detail: str
    payload: bytes
    """The first 4 KiB of the frame."""


class SnapshotWanted(Struct, frozen=True, kw_only=True):
    """The session needs a book snapshot by REST before it can go on with `symbol`."""

    symbol: str
    cause: str


class Resubscribe(Struct, frozen=True, kw_only=True):
    """The session needs `frames` sent to get a fresh book of `symbol` from the venue's socket."""

    symbol: str
    cause: str
    frames: tuple[bytes, ...]


class Reply(Struct, frozen=True, kw_only=True):
    """Bytes the venue expects back now, such as a text pong."""

    frame: bytes


class Rotate(Struct, frozen=True, kw_only=True):
    """The venue announced the end of this connection: open the next one first."""

    cause: str


class Reconnect(Struct, frozen=True, kw_only=True):
    """What the session has lost comes again on a new connection only: this one is to end."""

    cause: str


class Heard(Struct, frozen=True, kw_only=True):
    """The venue spoke of a stream, although in a way that makes no event: it is not silent."""

    stream: Stream
    symbol: str | None = None
    """None where it spoke of no symbol of its own."""


class Acknowledged(Struct, frozen=True, kw_only=True):
    """The venue took a subscription; it proves nothing until the first datum."""

    channel: str


Item: TypeAlias = (
    MarketEvent | Rejected | SnapshotWanted | Resubscribe | Reply | Rotate | Reconnect | Heard | Acknowledged
)
"""What a frame may lead to."""


class Header(Struct, frozen=True, kw_only=True):
    """One HTTP header whose value is a secret, such as a key."""

    name: str
    value: str

    def __repr__(self) -> str:
        """The name alone: this may be logged."""
        return f"Header(name={self.name!r}, value='***')"


class Plan(Struct, frozen=True, kw_only=True):
    """One connection to make."""

    url: str
    symbols: tuple[str, ...]
    streams: tuple[Stream, ...]
    headers: tuple[Header, ...] = ()
    """Sent with the upgrade."""


class Request(Struct, frozen=True, kw_only=True):
    """One REST call; the shell sends it, the venue parses the body of the answer."""

    url: str
    weight: int = 1
    """In the venue's own unit of its rate limit."""
    headers: tuple[Header, ...] = ()
    body: bytes | None = None
    """JSON to POST; None asks with GET."""


class Heartbeat(Struct, frozen=True, kw_only=True):
    """How a connection is kept alive and when it counts as dead."""

    ping: bytes | None
    """Text to send when idle; None where answering the venue's own ping frames is enough."""
    idle_s: float
    dead_s: float
    busy_too: bool = False
    """Ping every `idle_s`, also while data flows."""


class Checks(Struct):
    """What a session has verified so far; counts only grow."""

    checksums_verified: int = 0
    checksums_failed: int = 0
    books_crossed: int = 0
    sequence_gaps: int = 0
    stale: int = 0
    """Frames that were older than the state and rightly ignored."""
    non_market: int = 0
    """Legal executions that are no market trades, such as an insurance fund's; they are no `Trade`."""
    unsided: int = 0
    """Trades whose taker the venue does not know or only guesses; they are no `Trade`, whose side is a fact."""
    ignored: int = 0
    """Frames of channels that are known and not read on purpose, such as tickers."""


class AnswerError(ValueError):
    """The body of a REST answer that cannot be used: an error envelope or unreadable; the whole answer is lost."""
