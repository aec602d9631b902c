"""What the signals workers left on the broker in, what an uninterrupted engine would have left out."""

from collections.abc import AsyncIterator
from typing import TypeAlias

from libs.common.bus import topics
from libs.common.bus.codec import decode, encode
from libs.common.bus.reading import Reader
from libs.common.events import Candle, Signal, Source
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine
from services.signals.past import entries
from services.signals.snapshots import Folded

Said: TypeAlias = dict[str, set[bytes]]
"""Signal id -> every form in which it was published."""


async def said(reader: Reader) -> Said:
    """Return every signal on the topic."""
    found: Said = {}
    for number in range(topics.SIGNALS.partitions):
        async for raw in reader.read_all(topics.SIGNALS, number):
            event = decode(raw.value or b"")
            assert isinstance(event, Signal)
            found.setdefault(event.signal_id, set()).add(raw.value or b"")
    return found


async def covered(reader: Reader) -> bool:
    """Tell whether the journals reach the end of every topic of the market."""
    for number in range(topics.MARKET_PARTITIONS):
        reached: dict[str, int] = {}
        async for entry in _journal(reader, number):
            reached |= dict(zip(entry.topics, entry.ends, strict=True))
        for topic in topics.MARKET:
            first, last = await reader.bounds(topic, number)
            if last > first and topic is not topics.CANDLES and reached.get(topic.name, 0) < last:
                return False
    return True


async def expected(reader: Reader) -> tuple[dict[str, bytes], int, int]:
    """Return the signals of engines that fold the journaled order, how many events that were, and entries left out."""
    made: dict[str, bytes] = {}
    folded = overlaps = 0
    for number in range(topics.MARKET_PARTITIONS):
        records = {
            topic.name: {raw.offset: raw.value or b"" async for raw in reader.read_all(topic, number)}
            for topic in topics.MARKET
        }
        engine, reached = Engine(EngineConfig()), dict.fromkeys(records, 0)
        async for entry in _journal(reader, number):
            if any(start < reached[topic] for topic, start in zip(entry.topics, entry.starts, strict=True)):
                overlaps += 1
                continue
            for topic, offset in _order(entry):
                reached[topic] = offset + 1
                event = decode(records[topic][offset])
                if isinstance(event, Candle) and event.source is Source.TRADES:
                    continue
                folded += 1
                outputs = engine.apply(event)  # type: ignore[arg-type]  # market.* carries market events only
                made |= {output.signal_id: encode(output) for output in outputs if isinstance(output, Signal)}
    return made, folded, overlaps


async def _journal(reader: Reader, number: int) -> AsyncIterator[Folded]:
    first, last = await reader.bounds(topics.JOURNAL, number)
    async for entry in entries(reader, number, first, last):
        yield entry


def _order(entry: Folded) -> list[tuple[str, int]]:
    at = list(entry.starts)
    order: list[tuple[str, int]] = []
    for index, count in entry.order:
        order += [(entry.topics[index], at[index] + n) for n in range(count)]
        at[index] += count
    return order
