"""What a recording holds: its frames in; each one's stream, and the markets with their steps out."""

import heapq
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from deploy.local.sandbox.listings import BINANCE_SPOT, BINANCE_USDM, OKX, Listing
from libs.common.runtime.errors import InputError
from services.ingest.recording.recordings import Frame, FrameKind, read

_WRAPPED: Final = re.compile(rb'\s*\{\s*"stream"\s*:\s*"([^"]+)"\s*,\s*"data"\s*:\s*')
_PAIR: Final = re.compile(r"([A-Z0-9]+?)(USDT|USDC|BUSD|FDUSD|EUR|BTC|ETH|BNB)")
_ASKED: Final = re.compile(r"[?&]symbol=([A-Z0-9]+)")
_STREAMS: Final = {
    "depthUpdate": "depth",
    "trade": "trade",
    "aggTrade": "aggTrade",
    "bookTicker": "bookTicker",
    "forceOrder": "forceOrder",
    "markPriceUpdate": "markPrice",
    "kline": "kline",
}
"""Binance event -> stream kind."""


class Heard(Struct, frozen=True):
    """One recorded push."""

    native: str
    kind: str
    """Stream or channel without symbol and speed: trade, depth, books, trades, ..."""
    stream: str
    payload: bytes
    """Binance: the bare event. OKX: the whole frame."""


def frames(paths: Sequence[Path]) -> Iterator[Frame]:
    """Yield the frames of all files in the order they were received."""
    if len(paths) == 1:
        return read(paths[0])
    return heapq.merge(*map(read, paths), key=lambda frame: frame.received_ns)


def heard(venue: str, frame: Frame) -> Heard | None:
    """Return what was pushed; None for acknowledgements and what is no push."""
    if frame.kind is not FrameKind.RECEIVED:
        return None
    return _heard_okx(frame.data) if venue == OKX else _heard_binance(frame.data)


def _heard_binance(data: bytes) -> Heard | None:
    wrapped = _WRAPPED.match(data)
    if wrapped:
        stream = wrapped[1].decode()
        name, _, rest = stream.partition("@")
        return Heard(name.upper(), rest.partition("@")[0], stream, data[wrapped.end() : data.rindex(b"}")])
    try:
        event = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None
    kind = _STREAMS.get(str(event.get("e"))) if isinstance(event, dict) else None
    if kind is None:
        return None
    native = str(event.get("s") or event.get("o", {}).get("s"))
    return Heard(native, kind, f"{native.lower()}@{kind}", data)


class _Arg(Struct):
    channel: str
    native: str = field(default="", name="instId")
    kind: str = field(default="", name="instType")


class _Push(Struct):
    arg: _Arg
    data: msgspec.Raw = field(default_factory=msgspec.Raw)


_decode_push = msgspec.json.Decoder(_Push).decode


def _heard_okx(data: bytes) -> Heard | None:
    try:
        push = _decode_push(data)
    except msgspec.DecodeError:
        return None
    if not bytes(push.data):
        return None
    name = push.arg.native or push.arg.kind
    return Heard(push.arg.native, push.arg.channel, f"{push.arg.channel}:{name}", data)


class Inventory(Struct):
    """What the files hold."""

    venue: str
    frames: int = 0
    """Pushes and REST answers that will be played."""
    streams: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, set[str]] = field(default_factory=dict)
    """Native name -> stream kinds recorded."""
    answers: set[str] = field(default_factory=set)
    """Whose depth answers were recorded; an empty text where the recording does not say."""
    instruments: dict[str, dict[str, Any]] = field(default_factory=dict)
    """OKX catalogue rows by native name."""
    decimals: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Native name -> significant price digits, printed price digits, size digits."""

    def answered_for(self, frame: Frame) -> str | None:
        """Return whose depth a recorded REST answer is; the only market's where the recording does not say."""
        asked = _ASKED.search(frame.url)
        return asked[1] if asked else self._only()

    def snapshots(self) -> set[str]:
        """Return the markets with a recorded depth answer."""
        return {native for native in (answer or self._only() for answer in self.answers) if native}

    def _only(self) -> str | None:
        natives = [native for native, kinds in self.kinds.items() if "depth" in kinds]
        return natives[0] if len(natives) == 1 else None

    def listings(self) -> list[Listing]:
        """Return a row for each market with trades or a book; raises InputError for an OKX contract of unknown size."""
        kept = {"trade", "aggTrade", "depth", "trades", "books"}
        return [self._listing(native) for native in sorted(self.kinds) if native and self.kinds[native] & kept]

    def _listing(self, native: str) -> Listing:
        tick, price, lot = self.decimals.get(native, (2, 2, 3))
        row = self.instruments.get(native)
        contract = "1"
        if row:
            tick = price = _digits(str(row["tickSz"]))
            lot = max(lot, _digits(str(row["lotSz"])))
            contract = str(row.get("ctVal") or "1")
        elif self.venue == OKX and native.count("-") > 1:
            raise InputError(f"{native}: add the recording of OKX's instruments, its contract size is not known")
        symbol, base, quote = canonical(self.venue, native)
        return Listing(
            venue=self.venue,
            symbol=symbol,
            native=native,
            base=base,
            quote=quote,
            tick_decimals=tick,
            price_decimals=price,
            lot_decimals=lot,
            contract_size=contract,
        )


def canonical(venue: str, native: str) -> tuple[str, str, str]:
    """Return the canonical symbol, base and quote of a venue's own name; raises InputError for a form not known."""
    if venue in {BINANCE_SPOT, BINANCE_USDM}:
        pair = _PAIR.fullmatch(native)
        if not pair:
            raise InputError(f"{native} is no pair or perpetual of {venue} that this player knows")
        tail = "-PERP" if venue == BINANCE_USDM else ""
        return f"{pair[1]}-{pair[2]}{tail}", pair[1], pair[2]
    base, _, rest = native.partition("-")
    quote, _, suffix = rest.partition("-")
    tail = {"": "", "SWAP": "-PERP"}.get(suffix, f"-20{suffix}")
    return f"{base}-{quote}{tail}", base, quote


def take_stock(venue: str, paths: Sequence[Path]) -> Inventory:
    """Read the files once and say what they hold; raises InputError where there is nothing to play."""
    stock = Inventory(venue)
    for frame in frames(paths):
        if frame.kind is FrameKind.ANSWER:
            stock.frames += 1
            _answer(stock, frame)
        push = heard(venue, frame)
        if push:
            stock.frames += 1
            stock.streams[push.stream] += 1
            stock.kinds.setdefault(push.native, set()).add(push.kind)
            if push.kind in {"trade", "aggTrade", "depth", "trades", "books"}:
                _measure(stock, push)
    if venue == OKX:
        for path in filter(None, map(_sibling, paths)):
            for frame in read(path):
                _answer(stock, frame)
    if not stock.streams:
        raise InputError(f"no frame of {venue} in {', '.join(map(str, paths))}")
    return stock


def _sibling(path: Path) -> Path | None:
    stem = path.name.partition(".ws.")[0]
    return next(
        (found for found in (path.with_name(f"{stem}.0"), path.with_name(f"{stem}.0.gz")) if found.is_file()), None
    )


def _answer(stock: Inventory, frame: Frame) -> None:
    if b'"lastUpdateId"' in frame.data[:64]:
        asked = _ASKED.search(frame.url)
        stock.answers.add(asked[1] if asked else "")
    if stock.venue != OKX or "public/instruments" not in frame.url:
        return
    for row in msgspec.json.decode(frame.data).get("data", []):
        stock.instruments[row["instId"]] = row


def _measure(stock: Inventory, push: Heard) -> None:
    message: Mapping[str, Any] = msgspec.json.decode(push.payload)
    pairs: list[Sequence[str]] = []
    for row in message["data"] if stock.venue == OKX else [message]:
        if push.kind in {"depth", "books"}:
            pairs += [*row.get("b", row.get("bids", ())), *row.get("a", row.get("asks", ()))]
        else:
            pairs.append((row.get("p", row.get("px")), row.get("q", row.get("sz"))))
    tick, price, lot = stock.decimals.get(push.native, (0, 0, 0))
    for pair in pairs:
        tick, price = max(tick, _digits(pair[0].rstrip("0"))), max(price, _digits(pair[0]))
        lot = max(lot, _digits(pair[1]))
    stock.decimals[push.native] = (tick, price, lot)


def _digits(number: str) -> int:
    return len(number.partition(".")[2])
