"""What became of each event between the sockets and the broker in, sums that add up out, by stream."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from libs.common.events import MarketEvent
from services.ingest import metrics
from services.ingest.delivery.buffer import Buffer
from services.ingest.streams import CLASS_OF


class Account(Struct):
    """One stream's events behind the buffer; the last two say where they are now, the others only grow."""

    leftover: int = 0
    """Found on disk at the start."""
    own: int = 0
    """Gaps that were added here, for what was shed or damaged."""
    published: int = 0
    """Acknowledged by the broker."""
    spilled: int = 0
    """Written to disk."""
    replayed: int = 0
    """Published from disk."""
    shed: int = 0
    """Given up because the disk was full."""
    damaged: int = 0
    """Lost on disk."""
    rejected: int = 0
    """Too large for any broker, parked."""
    known: int = 0
    """Found on disk, but later trades of their symbol are on the topic."""
    on_disk: int = 0
    in_flight: int = 0
    """Taken from the buffer, and neither on disk nor any of the above."""


_COUNTERS: Final = {
    "spilled": metrics.SPILLED,
    "replayed": metrics.REPLAYED,
    "shed": metrics.SHED,
    "damaged": metrics.DAMAGED,
    "rejected": metrics.TOO_LARGE,
}


class Ledger:
    """The accounts of one venue's streams.

    At every moment, for each stream, with the buffer's own counts (`offered`, `made`, `conflated`, `pending`):
    offered + made + leftover + own
    = published + conflated + shed + damaged + rejected + known + pending + in_flight + on_disk
    """

    def __init__(self, venue: str, buffer: Buffer) -> None:
        self.accounts = {stream: Account() for stream in buffer.counts}
        self._venue = venue
        self._buffer = buffer
        self._told = {stream: Account() for stream in self.accounts}

    def unaccounted(self, stream: str) -> int:
        """Return by how many events the two sides differ: 0 unless this program is wrong."""
        counts, account = self._buffer.counts[stream], self.accounts[stream]
        gone = account.published + account.shed + account.damaged + account.rejected + account.known
        there = account.in_flight + account.on_disk
        return counts.taken + counts.made + account.leftover + account.own - gone - there

    @property
    def on_disk(self) -> int:
        """Events on disk."""
        return sum(account.on_disk for account in self.accounts.values())

    def took(self, events: Iterable[MarketEvent]) -> None:
        """Note that the buffer gave `events`."""
        self.move(events, to="in_flight")

    def move(self, events: Iterable[MarketEvent], *, to: str, out_of: str | None = None) -> None:
        """Move `events` from one term to another, both names of fields; growing terms are never moved out of."""
        counts: dict[str, int] = {}
        for event in events:
            stream = CLASS_OF[type(event)]
            counts[stream] = counts.get(stream, 0) + 1
        self.move_counts(counts, to=to, out_of=out_of)

    def move_counts(self, counts: Mapping[str, int], *, to: str, out_of: str | None = None) -> None:
        """Move so many of each stream."""
        for stream, count in counts.items():
            account = self.accounts[stream]
            setattr(account, to, getattr(account, to) + count)
            if out_of is not None:
                setattr(account, out_of, getattr(account, out_of) - count)

    def tell(self) -> None:
        """Have the metrics say what the accounts say."""
        for stream, now in self.accounts.items():
            told = self._told[stream]
            if now == told:
                continue
            for name, counter in _COUNTERS.items():
                if more := getattr(now, name) - getattr(told, name):
                    counter.labels(self._venue, stream).inc(more)
            metrics.ON_DISK.labels(self._venue, stream).set(now.on_disk)
            self._told[stream] = msgspec.structs.replace(now)
            metrics.UNACCOUNTED.labels(self._venue, stream).set(self.unaccounted(stream))
