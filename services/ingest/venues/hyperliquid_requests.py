"""What to listen to and what to ask in, Hyperliquid's frames and calls out. Pure.

Limits of one address: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits
(10 connections, 30 new ones a minute, 1,000 subscriptions, 2,000 messages a minute; REST 1,200 of weight a minute).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import json

from libs.common.events import Timeframe
from services.ingest.venues.terms import Instrument, Request, Stream
from services.ingest.venues.wire import MILLISECOND_NS

PING: Final = b'{"method":"ping"}'
PER_CONNECTION: Final = 50
"""Coins on one socket: all that the venue lists need five, half of what one address may have, for while a connection
is replaced there are two."""
BOOKS: Final = ("book20", "book5")
CANDLES_LIMIT: Final = 5_000
"""No older ones are there."""
TRADES_LIMIT: Final = 10
"""Observed; the documentation says no number."""
_TYPES: Final = {Stream.TRADES: "trades", Stream.BOOKS: "l2Book", Stream.FUNDING: "activeAssetCtx"}
"""In the order in which they are asked for: what cannot be fetched again comes first."""
FRAME_SPACING_S: Final = 0.05
"""All coins take 702 frames, of which the venue allows 2,000 a minute; what is not subscribed to yet is not heard."""
_UNITS: Final = 2
"""Of our budget for one of the venue's weight: 1,200 a minute then spend half of what an address has."""
_LIGHT: Final = frozenset({"l2Book", "exchangeStatus"})
_LIGHT_WEIGHT: Final = 2
_WEIGHT: Final = 20
_ROWS_PER_WEIGHT: Final = {"candleSnapshot": 60, "recentTrades": 20}
_EVER_MS: Final = 9_000_000_000_000


def offered(streams: Sequence[Stream]) -> tuple[Stream, ...]:
    """Return those of `streams` that the venue tells everybody: of liquidations it tells the account alone."""
    return tuple(stream for stream in _TYPES if stream in streams)


def shares(instruments: Sequence[Instrument]) -> Iterator[Sequence[Instrument]]:
    """Split instruments over connections."""
    return (instruments[start : start + PER_CONNECTION] for start in range(0, len(instruments), PER_CONNECTION))


def subscription(coin: str, stream: Stream, book_channel: str) -> dict[str, Any]:
    """Return what names one subscription; `fast` are 5 levels each half second, without it 20 each five (observed)."""
    named = {"type": _TYPES[stream], "coin": coin}
    return named | {"fast": True} if stream is Stream.BOOKS and book_channel == "book5" else named


def subscribe(subscription: dict[str, Any]) -> bytes:
    """Return the frame that begins it; one frame takes one."""
    return json.encode({"method": "subscribe", "subscription": subscription})


def fresh(subscription: dict[str, Any]) -> tuple[bytes, ...]:
    """Return the frames that end it and begin it again."""
    return json.encode({"method": "unsubscribe", "subscription": subscription}), subscribe(subscription)


def info(rest_url: str, call: str, rows: int = 0, **more: Any) -> Request:
    """Return a call; what stands behind `#` is never sent, it tells the calls apart in logs and recordings.

    Args:
        rest_url: scheme and host.
        call: the `type` of the body.
        rows: of the answer, where they cost.
        more: the rest of the body.
    """
    weight = _LIGHT_WEIGHT if call in _LIGHT else _WEIGHT
    if call in _ROWS_PER_WEIGHT:
        weight += math.ceil(rows / _ROWS_PER_WEIGHT[call])
    return Request(url=f"{rest_url}/info#{call}", weight=_UNITS * weight, body=json.encode({"type": call, **more}))


def candles(rest_url: str, coin: str, timeframe: Timeframe, limit: int, now_ns: int | None) -> Request:
    """Return the call for the newest bars; of weeks for their days, for the venue's own weeks open on Thursdays.

    Without a time the call is for all there are.
    """
    days = 7 if timeframe is Timeframe.W1 else 1
    interval = Timeframe.D1 if timeframe is Timeframe.W1 else timeframe
    bars = min(limit, CANDLES_LIMIT // days)
    start_ms, end_ms, rows = 0, _EVER_MS, CANDLES_LIMIT
    if now_ns is not None:
        end_ns = timeframe.open_ns(now_ns) + timeframe.ns
        start_ms, end_ms = (end_ns - bars * timeframe.ns) // MILLISECOND_NS, end_ns // MILLISECOND_NS - 1
        rows = bars * days
    asked = {"coin": coin, "interval": interval.value, "startTime": max(start_ms, 0), "endTime": end_ms}
    return info(rest_url, "candleSnapshot", rows, req=asked)
