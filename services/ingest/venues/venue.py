"""What a venue is to this system: where to connect, what to say, and how to read what comes back. No sockets, no clock.

A `Venue` is a stateless description, a `Session` the memory of one connection. A session is a function of the
frames it was given, in order: live, recorded and fuzzed input go through the same calls.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum, unique
from typing import TypeAlias

from msgspec import Struct

from libs.common.events import BookSnapshot, Candle, MarketEvent, Origin, Timeframe, Trade
from libs.common.events.symbols import Symbol


@unique
class Stream(StrEnum):
    """What one can listen to; also the `stream` of a Gap."""

    TRADES = "trades"
    BOOKS = "books"
    LIQUIDATIONS = "liquidations"
    FUNDING = "funding"


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
    live: bool = True


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


class Session(ABC):
    """The memory of one connection; it dies with it."""

    checks: Checks

    @abstractmethod
    def subscribe(self) -> Sequence[bytes]:
        """Return the frames to send once the socket is open, in order."""

    @abstractmethod
    def receive(self, frame: bytes, received_ns: int) -> list[Item]:
        """Return what `frame` leads to, in order; never raises for bad input, but returns `Rejected`."""

    @abstractmethod
    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> list[Item]:
        """Take the answer to `SnapshotWanted`; may want another one when it is older than what is buffered."""

    @abstractmethod
    def book(self, symbol: str) -> BookSnapshot | None:
        """Return the book of `symbol` as it stands; None unless it is in sync."""


class Venue(ABC):
    """A stateless description of one venue. One instance a configuration, shared by all connections."""

    name: str
    heartbeat: Heartbeat
    bans: Mapping[int, float] = {}
    """HTTP statuses, besides 418 and 429, that mean too many calls; seconds to call nothing after each."""

    @abstractmethod
    def instruments_requests(self) -> Sequence[Request]:
        """Return the REST calls that list the venue's instruments."""

    def instruments_after(self, request: Request, body: bytes) -> Request | None:
        """Return the call for the page that follows `body`, the answer to `request`; None after the last one."""
        _ = self, request, body
        return None

    @abstractmethod
    def instruments(self, bodies: Iterable[bytes]) -> dict[str, Instrument]:
        """Read the answers; keys are the venue's own names. Placeholders and unknown kinds are left out.

        Raises:
            AnswerError: a body is an error envelope or unreadable; so do `candles` and `trades`.
        """

    @abstractmethod
    def plan(self, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Plan]:
        """Split what is to be heard over connections, within the venue's limits."""

    @abstractmethod
    def session(self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin) -> Session:
        """Return a new session for one connection; `instruments` by the venue's own names."""

    @abstractmethod
    def snapshot_request(self, instrument: Instrument) -> Request:
        """Return the REST call that answers `SnapshotWanted`."""

    @abstractmethod
    def candles_request(self, instrument: Instrument, timeframe: Timeframe, limit: int) -> Request:
        """Return the REST call for the newest candles, closed and forming."""

    @abstractmethod
    def candles(
        self, instrument: Instrument, timeframe: Timeframe, body: bytes, received_ns: int, origin: Origin
    ) -> list[Candle]:
        """Read the answer; oldest first; a bar that is still forming has `closed=False`."""

    @abstractmethod
    def trades_request(self, instrument: Instrument, after_id: str) -> Request:
        """Return the REST call for the page of trades that follow `after_id`."""

    def trades_request_since(self, instrument: Instrument, after_id: str, after_ns: int) -> Request:
        """Return the same call, where a venue is asked by time: `after_ns` is when `after_id` happened."""
        _ = after_ns
        return self.trades_request(instrument, after_id)

    @abstractmethod
    def trades(
        self, instrument: Instrument, after_id: str, body: bytes, received_ns: int, origin: Origin
    ) -> list[Trade]:
        """Read the answer; oldest first, only trades after `after_id`; empty when the venue has no more."""

    @abstractmethod
    def trade_order(self, trade_id: str) -> int:
        """Return the position of an id in the venue's order, where ids are consecutive integers.

        Raises:
            ValueError: the id has none.
        """
