"""Recordings in, normalised events and a count of everything out."""

import heapq
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from libs.common.events import BookDelta, BookSnapshot, Gap, Liquidation, MarketEvent, Origin, Trade
from libs.common.events.symbols import SymbolError, parse
from libs.common.runtime.errors import InputError
from services.ingest.names import NAMES, NamedInstruments
from services.ingest.recordings import Frame, FrameKind, read
from services.ingest.venues import BinanceUsdm, Okx
from services.ingest.venues.venue import (
    AnswerError,
    Checks,
    Item,
    Plan,
    Rejected,
    Session,
    SnapshotWanted,
    Stream,
    Venue,
)

log = logging.getLogger(__name__)

RECORDED: Final[dict[str, Callable[[], Venue]]] = {
    "binance-usdm": lambda: BinanceUsdm(trade_channel="first"),
    "okx": Okx,
}
"""Venues as recordings want them: whichever trade channel was recorded."""
LOGGED_REJECTS: Final = 10
"""Of each reason; the rest are only counted."""
_STREAMS: Final[dict[type, Stream]] = {
    Trade: Stream.TRADES,
    BookSnapshot: Stream.BOOKS,
    BookDelta: Stream.BOOKS,
    Liquidation: Stream.LIQUIDATIONS,
}
_CATALOGUE: Final = re.compile(r"/(?:public/instruments|exchangeInfo)\b")
_CRYPTOFEED: Final = re.compile(r"(?P<stem>.+?)(?P<part>\.ws\.\d+|\.http\.\d+)?\.\d+(?:\.gz|\.zst)?")


class Summary(Struct, kw_only=True):
    """What a recording held, and what became of it."""

    venue: str
    files: list[str]
    frames: int = 0
    """Received frames and REST answers; answers with a catalogue are none, for they may lie beside the recording."""
    frames_by_kind: dict[str, int]
    events: dict[str, int]
    """By type."""
    symbols: list[str]
    trades: dict[str, int]
    """By the taker's side."""
    non_market_trades: int = 0
    rejects: dict[str, int]
    """By reason."""
    gaps: int = 0
    gaps_recovered: int = 0
    checksums: dict[str, int]
    books_crossed: int = 0
    absent: list[str]
    """Symbols that were asked for and never seen."""
    books_in_sync: list[str]
    """Books that the recording leaves in sync."""
    stale: int = 0
    ignored: int = 0
    asked: dict[str, int]
    """What a live connection would have been asked: snapshots, resubscriptions, and the like."""
    first_event_ns: int | None = None
    last_event_ns: int | None = None


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
        self._sessions: dict[str, Session] = {}
        self._wants: dict[str, Session] = {}
        self._seen: dict[str, None] = {}
        self._finished: list[Checks] = []
        self._heard: dict[str, dict[tuple[str, Stream], int]] = {}
        self._kinds: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._sides: Counter[str] = Counter()
        self._rejects: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._gaps: Counter[bool] = Counter()
        self._times: tuple[int, int] | None = None

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
        for frame in _played(self._files):
            self._kinds["catalogue" if _is_catalogue(frame) else frame.kind.value] += 1
            for event in self._sorted(self._items(frame)):
                if stream := _STREAMS.get(type(event)):
                    self._heard.setdefault(frame.connection, {})[event.symbol, stream] = event.event_ns
                yield event

    def summary(self) -> Summary:
        """Return the counts up to now."""
        checks = [*self._finished, *(session.checks for session in self._sessions.values())]

        def total(name: str) -> int:
            return sum(getattr(one, name) for one in checks)

        first, last = self._times or (None, None)
        return Summary(
            venue=self._venue.name,
            files=[path.name for path in self._files],
            frames=self._kinds[FrameKind.RECEIVED.value] + self._kinds[FrameKind.ANSWER.value],
            frames_by_kind=_ordered(self._kinds),
            events=_ordered(self._events),
            symbols=sorted(self._seen),
            trades={side: self._sides[side] for side in ("buy", "sell")},
            non_market_trades=total("non_market"),
            rejects=_ordered(self._rejects),
            gaps=self._gaps[False],
            gaps_recovered=self._gaps[True],
            checksums={"verified": total("checksums_verified"), "failed": total("checksums_failed")},
            books_crossed=total("books_crossed"),
            absent=sorted(set(self._plan.symbols) - self._seen.keys()),
            books_in_sync=sorted(
                symbol for symbol in self._seen if any(one.book(symbol) for one in self._sessions.values())
            ),
            stale=total("stale"),
            ignored=total("ignored"),
            asked=_ordered(self._asked),
            first_event_ns=first,
            last_event_ns=last,
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
            case FrameKind.CONNECTED if frame.connection in self._sessions:
                return self._reconnect(frame)
        return []

    def _reconnect(self, frame: Frame) -> list[Item]:
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
            found = self._venue.session(self._plan, self._instruments, Origin.RECORDED)
            self._sessions[connection] = found
        return found

    def _answer(self, frame: Frame) -> list[Item]:
        """Hand an answer to whom it concerns; a recording holds answers of many kinds, most of them not for books."""
        url = urlsplit(frame.url)
        if _is_catalogue(frame):
            try:
                self._instruments.learn(self._venue.instruments([frame.data]))
            except AnswerError as e:
                return [Rejected(reason="error_frame", detail=str(e), payload=frame.data[:4096])]
            return []
        if frame.url and not url.path.endswith("/depth"):
            return []
        symbol = self._asked_for(parse_qs(url.query).get("symbol", [""])[0])
        if symbol is None:
            return [Rejected(reason="unexpected", detail="a snapshot of nobody knows what", payload=frame.data[:4096])]
        session = self._wants.pop(symbol, None) or self._session(next(reversed(self._sessions), frame.connection))
        items = session.snapshot(symbol, frame.data, frame.received_ns)
        self._wants |= {item.symbol: session for item in items if isinstance(item, SnapshotWanted)}
        return items

    def _asked_for(self, native: str) -> str | None:
        """Return the symbol of an answer: by its URL, else the one that was asked for, else the only one seen."""
        if native:
            instrument = self._instruments.get(native)
            return instrument.symbol if instrument else None
        candidates = list(self._wants) or list(self._seen)
        return candidates[0] if len(candidates) == 1 else None

    def _sorted(self, items: Iterable[Item]) -> Iterator[MarketEvent]:
        """Count items; yield those that are events."""
        for item in items:
            if isinstance(item, MarketEvent):
                self._count(item)
                yield item
            elif isinstance(item, Rejected):
                self._reject(item)
            else:
                self._asked[type(item).__name__] += 1

    def _count(self, event: MarketEvent) -> None:
        self._events[str(event.__struct_config__.tag)] += 1
        self._seen[event.symbol] = None
        first, last = self._times or (event.event_ns, event.event_ns)
        self._times = min(first, event.event_ns), max(last, event.event_ns)
        if isinstance(event, Trade):
            self._sides[event.side.value] += 1
        elif isinstance(event, Gap):
            self._gaps[event.recovered] += 1

    def _reject(self, item: Rejected) -> None:
        self._rejects[item.reason] += 1
        count = self._rejects[item.reason]
        if count <= LOGGED_REJECTS:
            log.warning("rejected a frame: %s: %s: %r", item.reason, item.detail, item.payload[:200])
        if count == LOGGED_REJECTS:
            log.warning("more rejects of reason %s are only counted", item.reason)


def _is_catalogue(frame: Frame) -> bool:
    return frame.kind is FrameKind.ANSWER and bool(_CATALOGUE.search(frame.url))


def _ordered(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items()))


def _played(files: Sequence[Path]) -> Iterator[Frame]:
    """Yield the frames of files one after the other; parts of one cryptofeed run are merged by time."""
    runs: dict[Path, list[Path]] = {}
    for path in files:
        named = _CRYPTOFEED.fullmatch(path.name)
        run = path.parent / named["stem"] if named else path
        runs.setdefault(run, []).append(path)
    for run, parts in runs.items():
        everything = _with_answers(run, parts)
        if len(everything) == 1:
            yield from read(everything[0])
        else:
            yield from heapq.merge(*map(read, everything), key=lambda frame: frame.received_ns)


def _with_answers(run: Path, parts: list[Path]) -> list[Path]:
    """Add the recorded REST answers that lie beside a run's sockets."""
    if not any(".ws." in part.name for part in parts):
        return parts
    try:
        beside = sorted(run.parent.iterdir())
    except OSError as e:
        raise InputError(f"{run.parent}: {e}") from e
    answers = [
        path
        for path in beside
        if (named := _CRYPTOFEED.fullmatch(path.name))
        and named["stem"] == run.name
        and ".ws." not in path.name
        and path not in parts
    ]
    return [*answers, *parts]
