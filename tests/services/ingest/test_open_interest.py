"""Open interest that no socket says: who is asked for, how often, and what is published of the answers."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from prometheus_client import REGISTRY

from libs.common.events import OpenInterest, Origin
from libs.common.events.symbols import perpetual
from services.ingest.calls.rest import Rest
from services.ingest.delivery.buffer import Buffer
from services.ingest.open_interest import OpenInterestPoller
from services.ingest.venues import BinanceSpot, BinanceUsdm, Okx
from services.ingest.venues.terms import Instrument
from services.ingest.venues.venue import Venue

NOW_MS = 1_589_437_530_011
VENUE = BinanceUsdm(rest_url="http://venue")


def _followed(*coins: str) -> dict[str, Instrument]:
    kinds = [perpetual(coin, "USDT") for coin in coins]
    return {
        str(kind): Instrument(symbol=str(kind), native=f"{kind.base}USDT", kind=kind, tick=0.1, lot=0.1)
        for kind in kinds
    }


def _said(native: str, held: str, ms: int) -> httpx.Response:
    return httpx.Response(200, content=json.dumps({"symbol": native, "openInterest": held, "time": ms}))


class Exchange:
    """Answers, and keeps when it was asked for whom."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.times: list[float] = []
        self.answer: Callable[[str], httpx.Response] = lambda native: _said(native, "7", NOW_MS + len(self.asked))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        native = request.url.params["symbol"]
        self.asked.append(native)
        self.times.append(asyncio.get_running_loop().time())
        return self.answer(native)


async def _run(
    exchange: Exchange,
    followed: dict[str, Instrument],
    until: Callable[[], bool],
    *,
    venue: Venue = VENUE,
    every_s: float = 0.02,
    weight_per_minute: float = 600_000,
) -> list[OpenInterest]:
    """Let it ask until `until` holds; return what was published."""
    buffer, client = Buffer(), httpx.AsyncClient(transport=httpx.MockTransport(exchange))
    rest = Rest(venue.name, client, weight_per_minute=weight_per_minute)
    poller = OpenInterestPoller(
        venue, followed, rest, buffer, every_s=every_s, weight_per_minute=weight_per_minute, origin=Origin.SIMULATED
    )
    running = asyncio.create_task(poller.run())
    try:
        async with asyncio.timeout(10):
            while not until():
                assert not running.done()
                await asyncio.sleep(0.002)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await rest.stop()
        await client.aclose()
    buffer.close()
    events: list[OpenInterest] = []
    while batch := await buffer.take(1000):
        events += [one for one in batch if isinstance(one, OpenInterest)]
    return events


def _outcomes() -> dict[str, float]:
    names = ("ok", "repeated", "refused", "failed")
    metric = "csx_ingest_open_interest_answers_total"
    return {
        name: REGISTRY.get_sample_value(metric, {"venue": "binance-usdm", "outcome": name}) or 0.0 for name in names
    }


async def test_each_is_asked_for_in_turn_again_and_again() -> None:
    exchange = Exchange()
    events = await _run(exchange, _followed("BTC", "ETH", "SOL"), lambda: len(exchange.asked) >= 9)
    assert exchange.asked[:9] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"] * 3
    first = events[0]
    assert (first.symbol, first.base, first.origin) == ("BTC-USDT-PERP", 7.0, Origin.SIMULATED)
    assert first.event_ns == (NOW_MS + 1) * 1_000_000
    assert first.received_ns > 0


async def test_many_symbols_make_rounds_longer_not_calls_more() -> None:
    exchange = Exchange()
    followed = _followed(*(f"C{number}" for number in range(40)))
    per_minute = 12_000  # a tenth of it is 20 calls a second
    await _run(exchange, followed, lambda: len(exchange.asked) >= 12, every_s=0.001, weight_per_minute=per_minute)
    spans = [later - earlier for earlier, later in zip(exchange.times, exchange.times[1:], strict=False)]
    assert min(spans) >= 0.049
    assert len(set(exchange.asked[:12])) == 12


async def test_the_same_state_is_said_once() -> None:
    exchange, before = Exchange(), _outcomes()
    exchange.answer = lambda native: _said(native, "7", NOW_MS - 5 * (len(exchange.asked) == 3))
    events = await _run(exchange, _followed("BTC"), lambda: len(exchange.asked) >= 5)
    assert [one.event_ns for one in events] == [NOW_MS * 1_000_000]
    now = _outcomes()
    assert now["ok"] - before["ok"] == 1
    assert now["repeated"] - before["repeated"] >= 3


async def test_who_fails_is_said_once_and_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    exchange, before = Exchange(), _outcomes()

    def answer(native: str) -> httpx.Response:
        if native == "BADUSDT":
            return httpx.Response(400, content=b'{"code":-1121,"msg":"Invalid symbol."}')
        if native == "ODDUSDT":
            return httpx.Response(200, content=b"<html>")
        return _said(native, "7", NOW_MS + len(exchange.asked))

    exchange.answer = answer
    events = await _run(
        exchange, _followed("BAD", "ODD", "BTC"), lambda: Counter(exchange.asked)["BADUSDT"] >= 4 <= len(exchange.asked)
    )
    assert {one.symbol for one in events} == {"BTC-USDT-PERP"}
    assert len(events) >= 3
    said = [vars(record)["symbol"] for record in caplog.records if "no open interest" in record.getMessage()]
    assert sorted(said) == ["BAD-USDT-PERP", "ODD-USDT-PERP"]
    now = _outcomes()
    assert now["failed"] - before["failed"] >= 3
    assert now["refused"] - before["refused"] >= 3


async def test_whom_we_follow_may_change() -> None:
    exchange, followed = Exchange(), _followed("BTC")

    def until() -> bool:
        if len(exchange.asked) == 3:
            followed.update(_followed("ETH"))
            followed.pop("BTC-USDT-PERP", None)
        return Counter(exchange.asked)["ETHUSDT"] >= 3

    await _run(exchange, followed, until)
    assert exchange.asked[-3:] == ["ETHUSDT"] * 3


@pytest.mark.parametrize("venue", [BinanceSpot(), Okx()])
async def test_where_a_socket_says_it_or_nobody_does_nobody_is_asked(venue: Venue) -> None:
    exchange, followed = Exchange(), _followed("BTC")
    buffer, client = Buffer(), httpx.AsyncClient(transport=httpx.MockTransport(exchange))
    poller = OpenInterestPoller(
        venue, followed, Rest(venue.name, client), buffer, every_s=0.001, weight_per_minute=600_000
    )
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await poller.run()
    await client.aclose()
    assert exchange.asked == []
