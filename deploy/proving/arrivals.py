"""What arrives on the topics of trades and books while it arrives: records in, how late they were by venue out."""

import asyncio
import math
from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct, field

from libs.common.bus.topics import BOOKS, TRADES
from libs.common.runtime.clock import now_ns

_POLL_MS = 100
_FETCH_BYTES = 4 << 20


class _Head(Struct):
    """What is read of an event."""

    type: str
    venue: str
    symbol: str
    event_ns: int


class Window(Struct, frozen=True, kw_only=True):
    """What arrived of one venue between two looks; milliseconds."""

    at_s: float
    """Since the start, at its end."""
    events: int
    median_ms: float
    """Of publish time minus event time."""
    p99_ms: float
    newest_ms: float
    """Now minus the event time of the newest event that the broker has."""
    symbols: frozenset[str]


class Arrivals(Struct):
    """The events of trades and changed books since the last look, by venue."""

    lags_ms: dict[str, list[float]] = field(default_factory=dict)
    symbols: dict[str, set[str]] = field(default_factory=dict)
    newest_ns: dict[str, int] = field(default_factory=dict)

    def take(self, value: bytes, published_ms: int) -> None:
        """Take one record; whole books repeat an older state and say nothing of lateness."""
        head = _decode(value)
        if head.type == "book_snapshot":
            return
        self.lags_ms.setdefault(head.venue, []).append((published_ms * 1_000_000 - head.event_ns) / 1e6)
        self.symbols.setdefault(head.venue, set()).add(head.symbol)
        self.newest_ns[head.venue] = max(self.newest_ns.get(head.venue, 0), head.event_ns)

    def look(self, venue: str, at_s: float) -> Window:
        """Return what arrived of `venue` since the last look, and begin anew."""
        lags = sorted(self.lags_ms.pop(venue, ()))
        return Window(
            at_s=at_s,
            events=len(lags),
            median_ms=quantile(lags, 0.5),
            p99_ms=quantile(lags, 0.99),
            newest_ms=(now_ns() - self.newest_ns[venue]) / 1e6 if venue in self.newest_ns else math.nan,
            symbols=frozenset(self.symbols.pop(venue, ())),
        )


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that `share` of `ordered` do not exceed; NaN of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


async def follow(bootstrap: str, arrivals: Arrivals) -> None:
    """Read both topics from their end on, until cancelled."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=_FETCH_BYTES
    )
    await consumer.start()
    try:
        parts = [TopicPartition(topic.name, number) for topic in (TRADES, BOOKS) for number in range(topic.partitions)]
        consumer.assign(parts)
        await consumer.seek_to_end(*parts)
        while True:
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    arrivals.take(record.value, record.timestamp)
            await asyncio.sleep(0)
    finally:
        await consumer.stop()


_decode = msgspec.json.Decoder(_Head).decode
