"""Recordings in, normalised events and a count of everything out."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from msgspec.structs import replace

from libs.common.events import Gap, MarketEvent, Origin
from libs.common.events.symbols import SymbolError, parse
from libs.common.runtime.errors import InputError
from services.ingest.recording.names import NAMES, NamedInstruments
from services.ingest.recording.playback import played
from services.ingest.recording.recordings import Frame, FrameKind, read
from services.ingest.recording.tally import Summary, Tally
from services.ingest.streams import HOLED, STREAM_OF
from services.ingest.venues import BinanceCoinm, BinanceSpot, BinanceUsdm, Bybit, Coinapi, Hyperliquid, Kraken, Okx
from services.ingest.venues.terms import AnswerError, Checks, Item, Plan, SnapshotWanted, Stream
from services.ingest.venues.venue import Session, Venue
from services.ingest.venues.wire import rejected

RECORDED: Final[dict[str, Callable[[], Venue]]] = {
    "binance-coinm": lambda: BinanceCoinm(trade_channel="first"),
    "binance-spot": lambda: BinanceSpot(trade_channel="first"),
    "binance-usdm": lambda: BinanceUsdm(trade_channel="first"),
    "coinapi": lambda: Coinapi(exchange=""),
    "bybit": Bybit,
    "hyperliquid": Hyperliquid,
    "kraken": lambda: Kraken(replay=False),
    "okx": Okx,
}
"""Venues as recordings want them: whichever trade channel was recorded."""
STOPPED: Final = b"stop"
"""Cause of an end: the recorder was told to stop, and nothing is missing before it."""
ROTATED: Final = b"rotated"
_CATALOGUE: Final = re.compile(
    r"/(?:public/instruments|instruments-info|exchangeInfo|v1/symbols|public/AssetPairs|info#metaAndAssetCtxs)\b"
)


class Normalizer:
    """Plays frames into sessions, one a recorded connection, and counts."""

    def __init__(self, venue: str, files: Sequence[Path], symbols: Sequence[str] = ()) -> None:
        """Take what is to be counted.

        Raises:
            InputError: the venue or a symbol is unknown.
        """
        make = RECORDED.get(venue)
        if make is None:
            raise InputError(f"--venue {venue}: unknown, one of {', '.join(RECORDED)}")
        for symbol in symbols:
            try:
                parse(symbol)
            except SymbolError as e:
                raise InputError(f"--symbols: {e}") from e
        self._venue = make()
        self._files = files
        self._plan = Plan(url="recording", symbols=tuple(symbols), streams=())
        self._instruments = NamedInstruments(NAMES[venue])
        self._addresses: dict[str, str] = {}
        self._sessions: dict[str, Session] = {}
        self._wants: dict[str, Session] = {}
        self._finished: list[Checks] = []
        self._heard: dict[str, dict[tuple[str, Stream], int]] = {}
        self._tally = Tally()

    def learn(self, path: Path) -> None:
        """Read a catalogue: recorded answers, or one answer as JSON.

        Raises:
            InputError: nothing in `path` is a catalogue of the venue.
        """
        bodies = [frame.data for frame in read(path) if _is_catalogue(frame)]
        try:
            found = self._venue.instruments(bodies or [path.read_bytes()])
        except AnswerError as e:
            raise InputError(f"--instruments {path}: {e}") from e
        if not found:
            raise InputError(f"--instruments {path}: no instrument of {self._venue.name} in it")
        self._instruments.learn(found)

    def run(self) -> Iterator[MarketEvent]:
        """Yield the events of all files, in order."""
        for frame in played(self._files):
            self._tally.frame("catalogue" if _is_catalogue(frame) else frame.kind.value)
            for item in self._items(frame):
                self._tally.item(item)
                if isinstance(item, MarketEvent):
                    self._hear(frame.connection, item)
                    yield item

    def summary(self) -> Summary:
        """Return the counts up to now."""
        sessions = self._sessions.values()
        return self._tally.summary(
            venue=self._venue.name,
            files=[path.name for path in self._files],
            wanted=self._plan.symbols,
            checks=[*self._finished, *(session.checks for session in sessions)],
            in_sync=[symbol for symbol in self._tally.symbols if any(session.book(symbol) for session in sessions)],
        )

    def _items(self, frame: Frame) -> list[Item]:
        match frame.kind:
            case FrameKind.RECEIVED:
                session = self._session(frame.connection)
                items = session.receive(frame.data, frame.received_ns)
                self._wants |= {item.symbol: session for item in items if isinstance(item, SnapshotWanted)}
                return items
            case FrameKind.ANSWER:
                return self._answer(frame)
            case FrameKind.CONNECTED:
                self._addresses[frame.connection] = frame.url
                return self._lost(frame) if frame.connection in self._sessions else []
            case FrameKind.ENDED if frame.connection in self._sessions and frame.data != STOPPED:
                holes = self._lost(frame)
                return [] if frame.data == ROTATED else holes  # another connection speaks on
        return []

    def _lost(self, frame: Frame) -> list[Item]:
        """End a connection's session, and its books with it; say that everything it brought has a hole now."""
        ended = self._sessions.pop(frame.connection)
        self._finished.append(ended.checks)
        self._wants = {symbol: session for symbol, session in self._wants.items() if session is not ended}
        return [
            Gap(
                venue=self._venue.name,
                symbol=symbol,
                event_ns=max(frame.received_ns, last_ns),
                received_ns=frame.received_ns,
                origin=Origin.RECORDED,
                stream=stream.value,
                from_ns=last_ns,
                to_ns=last_ns,
                cause="disconnect",
            )
            for (symbol, stream), last_ns in self._heard.pop(frame.connection, {}).items()
        ]

    def _session(self, connection: str) -> Session:
        found = self._sessions.get(connection)
        if found is None:
            plan = replace(self._plan, url=self._addresses.get(connection, ""))
            found = self._venue.session(plan, self._instruments, Origin.RECORDED)
            self._sessions[connection] = found
        return found

    def _answer(self, frame: Frame) -> list[Item]:
        """Hand an answer to whom it concerns; a recording holds answers of many kinds, most of them not for books."""
        url = urlsplit(frame.url)
        if _is_catalogue(frame):
            try:
                self._instruments.learn(self._venue.instruments([frame.data]))
            except AnswerError as e:
                return [rejected("error_frame", str(e), frame.data)]
            return []
        if frame.url and not url.path.endswith("/depth"):
            return []
        symbol = self._asked_for(parse_qs(url.query).get("symbol", [""])[0])
        if symbol is None:
            return [rejected("unexpected", "a snapshot of nobody knows what", frame.data)]
        session = self._wants.pop(symbol, None) or self._session(next(reversed(self._sessions), frame.connection))
        items = session.snapshot(symbol, frame.data, frame.received_ns)
        self._wants |= {item.symbol: session for item in items if isinstance(item, SnapshotWanted)}
        return items

    def _asked_for(self, native: str) -> str | None:
        """Return the symbol of an answer: by its URL, else the one that was asked for, else the only one seen."""
        if native:
            instrument = self._instruments.get(native)
            return instrument.symbol if instrument else None
        candidates = list(self._wants) or list(self._tally.symbols)
        return candidates[0] if len(candidates) == 1 else None

    def _hear(self, connection: str, event: MarketEvent) -> None:
        """Remember since when there would be a hole if the connection ended now."""
        stream = STREAM_OF.get(type(event))
        if stream in HOLED:
            self._heard.setdefault(connection, {})[event.symbol, stream] = event.event_ns


def _is_catalogue(frame: Frame) -> bool:
    return frame.kind is FrameKind.ANSWER and bool(_CATALOGUE.search(frame.url))
