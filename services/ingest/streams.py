"""The type of an event in, the stream it belongs to out."""

from typing import Final

from libs.common.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    FundingRate,
    Gap,
    Liquidation,
    MarketEvent,
    MarkPrice,
    Metric,
    OpenInterest,
    Trade,
)
from services.ingest.venues.terms import Stream

STREAM_OF: Final[dict[type[MarketEvent], Stream]] = {
    Trade: Stream.TRADES,
    BookDelta: Stream.BOOKS,
    BookSnapshot: Stream.BOOKS,
    Liquidation: Stream.LIQUIDATIONS,
    FundingRate: Stream.FUNDING,
    MarkPrice: Stream.FUNDING,
    OpenInterest: Stream.FUNDING,
}

CLASS_OF: Final[dict[type[MarketEvent], str]] = {**STREAM_OF, Candle: "candles", Gap: "gaps", Metric: "metrics"}
"""In which lane an event waits and under which name it is counted; not everything comes by a stream."""

HOLED: Final = frozenset(Stream) - {Stream.FUNDING}
"""Streams in which what was missed is a hole. A funding rate is a state: the next one replaces it."""
