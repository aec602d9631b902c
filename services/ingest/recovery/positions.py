"""Topics in, the last trade published of each symbol out: where a restarted ingest goes on."""

import logging
from collections.abc import Iterable
from typing import Final

import msgspec

from libs.common.bus.codec import CodecError, decode
from libs.common.bus.reading import Reader
from libs.common.bus.topics import POSITIONS, TRADES
from libs.common.events import Trade
from services.ingest.delivery.publisher import Mark

log = logging.getLogger(__name__)

TAIL: Final = 5000
"""Records at the end of each partition of trades in which newer trades than the last position are looked for.

A position is written once a second; what was acknowledged since stands at the end of the topic.
"""

_decode: Final = msgspec.json.Decoder(Mark).decode


async def last_published(reader: Reader, venue: str, symbols: Iterable[str]) -> dict[str, Mark]:
    """Return the last trade of each symbol that the broker has.

    Raises:
        DependencyDown: the broker went away.
    """
    wanted = set(symbols)
    marks: dict[str, Mark] = {}
    async for raw in reader.read_all(POSITIONS, 0):
        name, _, symbol = raw.key.decode("utf-8", "replace").partition("|")
        if name != venue or symbol not in wanted:
            continue
        try:
            marks[symbol] = _decode(raw.value or b"")
        except msgspec.DecodeError as e:
            log.warning(
                "unreadable position: the end of the topic of trades must tell where to go on",
                extra={"venue": venue, "symbol": symbol, "offset": raw.offset, "reason": str(e)},
            )
    for partition in range(TRADES.partitions):
        first, last = await reader.bounds(TRADES, partition)
        async for raw in reader.read(TRADES, partition, max(first, last - TAIL), last):
            trade = _trade(raw.value)
            if trade is not None and trade.venue == venue and trade.symbol in wanted:
                marks[trade.symbol] = Mark(trade.trade_id, trade.event_ns)  # later in the log: published later
    return marks


def _trade(value: bytes | None) -> Trade | None:
    try:
        event = decode(value or b"")
    except CodecError:  # whoever folds the topic parks it
        return None
    return event if isinstance(event, Trade) else None
