"""A venue that is asked for candles by time: the past of every timeframe, weeks on Mondays, all agreeing."""

import asyncio
import contextlib
import json
from collections import defaultdict

import httpx

from libs.common.events import MINUTE_NS, Candle, Timeframe
from libs.common.events.symbols import perpetual
from services.ingest.calls.rest import Rest
from services.ingest.candles.history import History
from services.ingest.delivery.buffer import Buffer
from services.ingest.venues import Hyperliquid
from services.ingest.venues.terms import Instrument

BTC = Instrument(symbol="BTC-USDC-PERP", native="BTC", kind=perpetual("BTC", "USDC"), tick=0.1, lot=1e-5)
NOW = 1_790_231_771_000_000_000
"""2026-09-24T06:36:11, a Thursday: the venue's own week has just begun."""
BARS = 4


def answer(request: httpx.Request) -> httpx.Response:
    """The bars that overlap what is asked for, as the venue answers; one trade of 1 coin a minute, the last forming."""
    asked = json.loads(request.content)["req"]
    timeframe = Timeframe(asked["interval"])
    length = timeframe.ns // 1_000_000
    now_ms = NOW // 1_000_000
    first = asked["startTime"] // length * length
    rows = [
        {
            "t": open_ms,
            "T": open_ms + length - 1,
            "s": asked["coin"],
            "i": asked["interval"],
            "o": str(open_ms // 60_000),
            "h": str((open_ms + length) // 60_000),
            "l": str(open_ms // 60_000),
            "c": str((open_ms + length) // 60_000),
            "v": str(length // 60_000),
            "n": length // 60_000,
        }
        for open_ms in range(first, min(asked["endTime"], now_ms) + 1, length)
    ]
    return httpx.Response(200, json=rows)


async def test_the_past_at_the_start_is_the_newest_bars_of_every_timeframe(tiny) -> None:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    buffer = Buffer(10_000)
    rest = Rest("hyperliquid", client, weight_per_minute=600_000)
    history = History(
        Hyperliquid(rest_url="http://rest"), {BTC.symbol: BTC}, rest, buffer, bars=BARS, clock=lambda: NOW
    )
    found: dict[Timeframe, list[Candle]] = defaultdict(list)

    async def read() -> None:
        while batch := await buffer.take(1000):
            for event in batch:
                assert isinstance(event, Candle)
                found[event.timeframe].append(event)

    running = [asyncio.create_task(work) for work in (history.run(), read())]
    history.begin()
    await tiny.until(lambda: sum(map(len, found.values())) == len(Timeframe) * (BARS - 1))
    for timeframe, candles in found.items():
        newest = timeframe.open_ns(NOW)
        assert [one.open_ns for one in candles] == [newest - back * timeframe.ns for back in (3, 2, 1)]
        for one in candles:
            assert one.closed
            assert (one.open, one.close) == (one.open_ns // MINUTE_NS, one.close_ns // MINUTE_NS)
            assert one.volume == one.trades == timeframe.ns // MINUTE_NS
    buffer.close()
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await rest.stop()
    await client.aclose()
