"""What a venue is to this system: where to connect, what to say, and how to read what comes back. No sockets, no clock.

A `Venue` is a stateless description, a `Session` the memory of one connection. A session is a function of the
frames it was given, in order: live, recorded and fuzzed input go through the same calls.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

from libs.common.events import BookSnapshot, Candle, OpenInterest, Origin, Timeframe, Trade
from services.ingest.venues.terms import (
    AnswerError,
    Checks,
    Heartbeat,
    Instrument,
    Item,
    Plan,
    Request,
    Stream,
    TradeIds,
)


def ignored(said: str) -> None:
    """Take a word that nobody wants to hear."""
    _ = said


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

    def resubscribe(self, symbol: str, stream: Stream) -> Sequence[bytes]:
        """Return the frames that leave `stream` of `symbol` and join it again; none where the venue has no such way."""
        _ = self, symbol, stream
        return ()


class Venue(ABC):
    """A stateless description of one venue. One instance a configuration, shared by all connections."""

    name: str
    heartbeat: Heartbeat
    trade_ids: TradeIds = TradeIds.CONSECUTIVE
    weight_per_minute: float = 1200.0
    """REST budget in the venue's own unit: half of what it allows from one address."""
    replays_trades: bool = False
    """Whether each subscription begins with trades from before it, oldest first and without a hole. One of them that is
    known already then proves that nothing is missing since."""
    frame_spacing_s: float = 0.25
    """Seconds between two subscribing frames: 5 a second are what the strictest venue allows."""
    burst_s: float = 2.0
    """How many seconds of that budget may be spent at once: the venue's own window, or less."""
    bans: Mapping[int, float] = {}
    """HTTP statuses, besides 418 and 429, that mean too many calls; seconds to call nothing after each."""
    clock_step_s: float = 0.001
    """The most by which the time that `clock_ns` reads was over when it was said: the venue's resolution."""
    overdone: Sequence[bytes] = ()
    """Words at the beginning of an answer that means too many calls although its status is 200."""

    @abstractmethod
    def instruments_requests(self) -> Sequence[Request]:
        """Return the REST calls that list the venue's instruments."""

    def instruments_after(self, request: Request, body: bytes) -> Request | None:
        """Return the call for the page that follows `body`, the answer to `request`; None after the last one."""
        _ = self, request, body
        return None

    @abstractmethod
    def instruments(self, bodies: Iterable[bytes], unnamed: Callable[[str], object] = ignored) -> dict[str, Instrument]:
        """Read the answers; keys are the venue's own names. Placeholders and unknown kinds are left out.

        `unnamed` is told, in words, of each row whose assets make no canonical symbol.

        Raises:
            AnswerError: a body is an error envelope or unreadable; so do `candles` and `trades`.
        """

    def turnover_requests(self) -> Sequence[Request]:
        """Return the REST calls that say how much of each instrument was traded in the last 24 hours; none by default.

        Where the catalogue itself says it, these are its calls.
        """
        return ()

    def turnover(self, bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
        """Read the answers: quote currency traded in the last 24 hours, by the venue's own names.

        What the venue does not say, or says unreadably, is absent.

        Raises:
            AnswerError: a body is an error envelope or unreadable.
        """
        _ = self, bodies, instruments
        return {}

    def clock_request(self) -> Request | None:
        """Return the REST call for the venue's own time; None where it has none."""
        return None

    def clock_ns(self, body: bytes) -> int:
        """Read the answer to `clock_request`: nanoseconds since the epoch.

        Raises:
            AnswerError: the body is an error envelope or unreadable.
        """
        raise AnswerError(f"{self.name} does not say its time: {body[:200]!r}")

    def open_interest_request(self, instrument: Instrument) -> Request | None:
        """Return the REST call for the open interest of `instrument`; None where a socket says it, or nobody does."""
        _ = self, instrument
        return None

    def open_interest(
        self, instrument: Instrument, body: bytes, received_ns: int, origin: Origin
    ) -> OpenInterest | None:
        """Read the answer to `open_interest_request`.

        Raises:
            AnswerError: the body is an error envelope or unreadable.
        """
        _ = self, instrument, body, received_ns, origin
        return None

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

    def candles_request_at(self, instrument: Instrument, timeframe: Timeframe, limit: int, now_ns: int) -> Request:
        """Return the same call, where a venue is asked by time: the newest at `now_ns`."""
        _ = now_ns
        return self.candles_request(instrument, timeframe, limit)

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
