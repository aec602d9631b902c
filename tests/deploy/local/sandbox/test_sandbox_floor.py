"""Many markets with plausible rows and rates, and markets that open, stand still and go while the sandbox runs."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local.sandbox.__main__ import MARKETS, listings, simulated
from deploy.local.sandbox.listings import DEFAULT
from deploy.local.sandbox.listings_many import MANY
from deploy.local.sandbox.server import Sandbox
from deploy.local.sandbox.simulation import Simulation
from libs.common.events.symbols import parse

START_NS = 1_790_000_040_000_000_000 // 60_000_000_000 * 60_000_000_000
MINUTE_NS = 60_000_000_000


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    server: Sandbox = simulated(listings([]), seed=3)
    await server.start("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client
    await server.stop()


async def put(http: httpx.AsyncClient, venue: str, symbol: str, standing: str) -> dict[str, Any]:
    params = {"venue": venue, "symbol": symbol, "standing": standing}
    answer: dict[str, Any] = (await http.post("/control/market", params=params)).raise_for_status().json()
    return answer


async def test_markets_open_stand_still_and_go(http):
    assert await put(http, "bybit", "ETH-USDT-PERP", "announced") == {
        "venue": "bybit",
        "symbol": "ETH-USDT-PERP",
        "standing": "announced",
    }

    async def rows(path: str, **params: str) -> Any:
        return (await http.get(path, params=params)).json()

    info = "/bybit/v5/market/instruments-info"
    listed = (await rows(info, category="linear"))["result"]["list"]
    assert [(row["symbol"], row["status"]) for row in listed] == [("ETHUSDT", "PreLaunch")]
    await put(http, "bybit", "ETH-USDT-PERP", "live")
    listed = (await rows(info, category="linear"))["result"]["list"]
    assert listed[0]["status"] == "Trading"
    assert int(listed[0]["launchTime"]) > START_NS // 10**6  # it has no past
    assert (await rows("/bybit/v5/market/tickers", category="linear"))["result"]["list"][0]["turnover24h"] == ""
    swap = {"instType": "SWAP"}
    for standing, state in (("halted", "suspend"), ("live", "live")):
        await put(http, "okx", "BTC-USDT-PERP", standing)
        assert [row["state"] for row in (await rows("/okx/api/v5/public/instruments", **swap))["data"]] == [state]
    await put(http, "okx", "BTC-USDT-PERP", "delisted")
    assert (await rows("/okx/api/v5/public/instruments", **swap))["data"] == []
    assert (await rows("/okx/api/v5/market/books", instId="BTC-USDT-SWAP"))["code"] == "51001"
    assert (await rows("/control/book", venue="okx", symbol="BTC-USDT-PERP"))["bids"]  # who compares still sees it
    await put(http, "okx", "BTC-USDT-PERP", "live")
    assert (await rows("/okx/api/v5/market/books", instId="BTC-USDT-SWAP"))["code"] == "0"
    info = "/binance-usdm/fapi/v1/exchangeInfo"
    await put(http, "binance-usdm", "SOL-USDT-PERP", "delisted")
    assert [row["symbol"] for row in (await rows(info))["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    await put(http, "binance-usdm", "BTC-USDT-PERP", "halted")
    assert [row["status"] for row in (await rows(info))["symbols"]] == ["BREAK", "TRADING"]


@pytest.mark.parametrize(
    ("venue", "symbol", "standing"),
    [
        ("mtgox", "BTC-USDT", "live"),
        ("okx", "NOPE-USDT", "live"),
        ("okx", "SOL-USDT-PERP", "delisted"),
        ("okx", "BTC-USDT", "sleepy"),
    ],
)
async def test_what_cannot_be_put_is_refused(http, venue, symbol, standing):
    params = {"venue": venue, "symbol": symbol, "standing": standing}
    answer = await http.post("/control/market", params=params)
    assert answer.status_code == 400
    assert answer.json()["msg"]


def test_a_halted_market_stands_still_and_disturbs_no_other():
    whole, halted = (Simulation(DEFAULT, seed=7, start_ns=START_NS) for _ in range(2))
    for simulation in (whole, halted):
        for _ in simulation.advance(START_NS + MINUTE_NS // 2):
            pass
    halted.markets[0].standing = type(halted.markets[0].standing).HALTED
    before = len(halted.markets[0].tape.fills)
    for simulation in (whole, halted):
        for _ in simulation.advance(START_NS + MINUTE_NS):
            pass
    assert len(halted.markets[0].tape.fills) == before < len(whole.markets[0].tape.fills)
    assert [m.tape.fills for m in halted.markets[1:]] == [m.tape.fills for m in whole.markets[1:]]
    assert halted.markets[0].ms == whole.markets[0].ms


def test_a_market_listed_later_is_the_same_for_the_same_moment():
    late = next(row for row in MANY if row.base == "WIF")
    runs = []
    for _ in range(2):
        simulation = Simulation(DEFAULT, seed=7, start_ns=START_NS)
        for _ in simulation.advance(START_NS + 12_345_000_000):
            pass
        market = simulation.open(late)
        assert market.candles.read("1m") == []
        for _ in simulation.advance(START_NS + 3 * MINUTE_NS):
            pass
        runs.append(market)
    assert runs[0].tape.fills == runs[1].tape.fills
    assert runs[0].book.depth(1000) == runs[1].book.depth(1000)
    bars = runs[0].candles.read("1m")
    assert sum(bar.trades for bar in bars) == len(runs[0].tape.fills) > 0
    assert {bar.open_ms % 60_000 for bar in bars} == {0}


def test_there_are_65_markets_over_four_venues():
    assert len(MANY) == len({(row.venue, row.native) for row in MANY}) == 65
    assert Counter(row.venue for row in MANY) == {"binance-usdm": 20, "okx": 16, "bybit": 16, "binance-spot": 13}
    assert set(DEFAULT) < set(MANY)
    assert MARKETS["few"] == DEFAULT
    assert any(not row.base.isascii() for row in MANY)
    assert min(row.price for row in MANY) < 0.00001
    assert max(row.price for row in MANY) > 50_000
    for row in MANY:
        assert str(parse(row.symbol)) == row.symbol
        assert 500 < row.price / row.tick < 1_000_000
        assert row.price_text(row.ticks(row.price_text(round(row.price / row.tick)))) == row.price_text(
            round(row.price / row.tick)
        )


def test_rates_fall_with_the_rank_and_books_are_whole():
    simulation = Simulation(MANY, seed=11, start_ns=START_NS)
    levels: Counter[str] = Counter()
    watches = {market.listing.native: market.book.watch() for market in simulation.markets}
    for count, _ in enumerate(simulation.advance(START_NS + MINUTE_NS)):
        if count % 2:
            for market in simulation.markets:
                changes = watches[market.listing.native]
                levels[market.listing.native] += len(changes.bids) + len(changes.asks)
                changes.clear(market.book.sequence)
    for market in simulation.markets:
        bid, ask = market.book.best_bid, market.book.best_ask
        assert bid is not None
        assert ask is not None
        assert 0 < bid < ask
        assert all(price > 0 for price in market.book.bids.prices)
        assert len(market.book.asks.prices) >= 200
    prints = {(m.listing.venue, m.listing.symbol): len(m.tape.prints) / 60 for m in simulation.markets}
    for venue in ("binance-usdm", "okx", "bybit"):
        assert 4 < prints[venue, "BTC-USDT-PERP"] < 20
    tail = [rate for (venue, symbol), rate in prints.items() if symbol.startswith(("MKR", "币安", "TON", "ADA"))]
    assert sum(tail) / len(tail) < 0.6
    assert 5 < levels["linear:BTCUSDT"] / 600 < 40  # levels a delta, ten deltas a second
    assert levels["linear:DOTUSDT"] < levels["linear:BTCUSDT"] / 3
