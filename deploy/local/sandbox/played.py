"""One recorded market as far as it has been played: recorded trades and books in, what an exchange shows out."""

import asyncio
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from deploy.local.sandbox.book import Book
from deploy.local.sandbox.candles import TIMEFRAMES, Bar, Candles
from deploy.local.sandbox.listings import Listing
from deploy.local.sandbox.shown import Shown
from deploy.local.sandbox.tape import Fill, Liquidated, Print, Tape

_CHECKED_LEVELS: Final = 25


class PlayedCandles(Candles):
    """Only bars that were played from their beginning to their end: a recording knows no past."""

    def __init__(self) -> None:
        super().__init__()
        self._first_ms: int | None = None

    def add(self, fill: Fill) -> None:
        """Take one fill; minutes before it are closed."""
        if self._first_ms is None:
            self._first_ms = fill.ms
        super().add(fill)

    def read(self, timeframe: str) -> list[Bar]:
        """Return the whole and closed bars, oldest first."""
        first_ms = self._first_ms
        if first_ms is None:
            return []
        period = TIMEFRAMES[timeframe]
        return [bar for bar in super().read(timeframe) if first_ms <= bar.open_ms and bar.open_ms + period <= self.ms]

    def newest(self, timeframe: str, count: int) -> list[Bar]:
        """Return the newest of them."""
        return self.read(timeframe)[-count:]


class Played(Shown):
    """A market that a recording fills."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.book = Book(sequence=0)
        self.tape = Tape()
        self.candles = PlayedCandles()
        self.liquidations: list[Liquidated] = []
        self.rows: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
        """Bid and ask levels as the venue wrote them, by price text; OKX only."""
        self.seq: Mapping[str, Any] = {}
        """The last OKX push without its levels."""
        self.snapshot: bytes | None = None
        """The recorded REST snapshot, once played."""
        self.snapshot_played = asyncio.Event()
        self._early: list[Mapping[str, Any]] = []

    def trade(self, trade_id: int, price: str, size: str, *, buy: bool, ms: int, market: bool = True) -> None:
        """Take one trade; a trade already known is left out, candles count only market trades."""
        if self.tape.fills and trade_id <= self.tape.fills[-1].trade_id:
            return
        row = self.listing
        fill = Fill(trade_id, trade_id, row.ticks(price), row.lots(size), buy, ms, market)
        self.tape.add(Print(trade_id, (fill,)))
        if market:
            self.candles.add(fill)

    def put(self, bids: Iterable[Sequence[str]], asks: Iterable[Sequence[str]]) -> None:
        """Set levels of the book; sizes are absolute."""
        for bid, levels in ((True, bids), (False, asks)):
            for level in levels:
                self.book.put(bid, self.listing.ticks(level[0]), self.listing.lots(level[1]))

    def depth(self, event: Mapping[str, Any]) -> None:
        """Take a Binance depth event; those before the snapshot wait for it."""
        if self.snapshot is None:
            self._early.append(event)
        elif event["u"] > self.book.sequence:
            self.put(event["b"], event["a"])
            self.book.sequence = event["u"]

    def answered(self, body: bytes, snapshot: Mapping[str, Any]) -> None:
        """Take the recorded answer to a Binance depth request."""
        self.book = Book(sequence=0)
        self.put(snapshot["bids"], snapshot["asks"])
        self.book.sequence = snapshot["lastUpdateId"]
        self.snapshot = body
        early, self._early = self._early, []
        for event in early:
            self.depth(event)
        self.snapshot_played.set()

    def books(self, action: str, row: Mapping[str, Any]) -> None:
        """Take an OKX book push."""
        if action == "snapshot":
            self.book = Book(sequence=0)
            self.rows = ({}, {})
        self.put(row["bids"], row["asks"])
        for known, levels in zip(self.rows, (row["bids"], row["asks"]), strict=True):
            for level in levels:
                if float(level[1]):
                    known[level[0]] = level
                else:
                    known.pop(level[0], None)
        self.seq = {key: value for key, value in row.items() if key not in {"bids", "asks"}}
        self.book.sequence = row.get("seqId", self.book.sequence)

    def books_snapshot(self) -> dict[str, Any] | None:
        """Return an OKX snapshot of the book as it stands, for who subscribes late; None before there is one."""
        if not self.seq:
            return None
        bids = sorted(self.rows[0].values(), key=lambda level: -float(level[0]))[:400]
        asks = sorted(self.rows[1].values(), key=lambda level: float(level[0]))[:400]
        head = dict(self.seq)
        if head.get("checksum"):
            head["checksum"] = checksum(bids, asks)
        if "prevSeqId" in head:
            head["prevSeqId"] = -1
        return {"asks": asks, "bids": bids, **head}


def checksum(bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]]) -> int:
    """Return OKX's CRC-32 of the first 25 levels, signed; in use until 2026-06-23."""
    parts = []
    for at in range(_CHECKED_LEVELS):
        parts += [f"{side[at][0]}:{side[at][1]}" for side in (bids, asks) if at < len(side)]
    crc = zlib.crc32(":".join(parts).encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc
