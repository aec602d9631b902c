"""A signal in; the candles of its market and timeframe round its moment, from the topic's end, out.

Nothing is kept for it: who asks for a chart waits a moment. The topic is read backwards in bounded steps, until the
picture is full, the most is read or the time is up; what came by then is what is drawn.
"""

import asyncio
import logging
from typing import Final

from libs.common.bus import topics
from libs.common.bus.codec import CodecError, decode
from libs.common.bus.publisher import partition_of
from libs.common.bus.reading import Reader
from libs.common.events import Candle, Signal, Source
from services.alerts.policy.chart import MOST_CANDLES

log = logging.getLogger(__name__)

WITHIN_S: Final = 4.0
MOST_RECORDS: Final = 60_000
_STEP: Final = 5_000
AFTER: Final = MOST_CANDLES // 2
"""So many candles after the signal are shown at most, so that it stays in the picture."""


async def candles_of(signal: Signal, bootstrap: str) -> tuple[Candle, ...]:
    """Return closed candles, those made from trades last; none where the topic has none that far back.

    Raises:
        DependencyDown: no broker answers, or it went away.
    """
    key = f"{signal.symbol}|{signal.venue}|{signal.timeframe}|".encode()
    first_ns = signal.as_of_ns - (MOST_CANDLES - AFTER) * signal.timeframe.ns
    last_ns = signal.as_of_ns + AFTER * signal.timeframe.ns
    found: list[Candle] = []
    try:
        async with asyncio.timeout(WITHIN_S), Reader(bootstrap, "alerts-charts") as reader:
            partition = partition_of(key, topics.CANDLES.partitions)
            first, end = await reader.bounds(topics.CANDLES, partition)
            least = max(first, end - MOST_RECORDS)
            while end > least and not any(one.open_ns <= first_ns for one in found):
                begin = max(least, end - _STEP)
                async for raw in reader.read(topics.CANDLES, partition, begin, end):
                    if raw.value is not None and raw.key.startswith(key):
                        found += _closed(raw.value)
                end = begin
    except TimeoutError:
        log.info("no time for more candles", extra={"symbol": signal.symbol, "count": len(found)})
    wanted = [one for one in found if one.open_ns + signal.timeframe.ns <= last_ns]
    return tuple(sorted(wanted, key=lambda one: (one.source is Source.TRADES, one.event_ns)))


def _closed(value: bytes) -> list[Candle]:
    try:
        event = decode(value)
    except CodecError:
        return []  # whoever folds the topic parks it
    return [event] if isinstance(event, Candle) and event.closed else []
