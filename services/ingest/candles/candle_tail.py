"""The topic of candles in, those that were added since the last look out; nothing of what stood there before."""

import logging
from collections.abc import AsyncIterator, Mapping

from libs.common.bus.codec import CodecError, decode
from libs.common.bus.reading import Reader
from libs.common.bus.topics import CANDLES
from libs.common.events import Candle
from services.ingest.calls.rest import Rest
from services.ingest.candles.audit import Audit
from services.ingest.delivery.buffer import Buffer
from services.ingest.settings import Settings
from services.ingest.venues.terms import Instrument
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)


class CandleTail:
    """Remembers how far each partition was read; the first look begins at the ends."""

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._read: dict[int, int] = {}

    async def new(self) -> AsyncIterator[Candle]:
        """Yield what was added since the last call, partition by partition.

        Raises:
            DependencyDown: the broker is away; what was not yielded comes with a later call.
        """
        async with Reader(self._bootstrap, self._client_id) as reader:
            for partition in range(CANDLES.partitions):
                first, last = await reader.bounds(CANDLES, partition)
                start = max(first, min(self._read.get(partition, last), last))
                async for raw in reader.read(CANDLES, partition, start, last):
                    candle = _candle(raw.value)
                    self._read[partition] = raw.offset + 1
                    if candle is not None:
                        yield candle
                self._read[partition] = last


def _candle(value: bytes | None) -> Candle | None:
    try:
        event = decode(value or b"")
    except CodecError:  # whoever folds the topic parks it
        return None
    return event if isinstance(event, Candle) else None


def audit_of(settings: Settings, venue: Venue, followed: Mapping[str, Instrument], rest: Rest, buffer: Buffer) -> Audit:
    """Return the audit of what the broker of `settings` holds; `followed` by canonical symbol."""
    tail = CandleTail(settings.kafka_bootstrap, f"csx-audit-{venue.name}")
    return Audit(venue, followed, rest, buffer, tail=tail.new, every_s=settings.audit_every_s, origin=settings.origin)
