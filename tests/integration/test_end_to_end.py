"""The whole road as a user runs it: exchange to page and Telegram, on both brokers, with each service killed once."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from deploy.local.children import free_port
from libs.common.bus import topics
from libs.common.events import Decision, Origin, Signal, Trade, Verdict
from libs.common.runtime.clock import now_ns
from services.alerts.policy.wording import alert_id
from tests.integration.running import SERVICES, Running, get, get_lines, post, until

pytestmark = pytest.mark.slow

BROKERS = ["embedded", pytest.param("native", marks=pytest.mark.native)]


@pytest.fixture(scope="module", params=BROKERS)
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    if request.param == "native":
        request.getfixturevalue("apache_kafka")  # skips, or fails where the lane is required, with its reason
    running = Running(tmp_path_factory.mktemp("csx"), free_port(), "--broker", request.param, "--feed", "sandbox")
    try:
        running.wait_up()
        yield running
    finally:
        running.stop()


def _markets(system: Running) -> list[tuple[str, str]]:
    return [(row["venue"], row["symbol"]) for row in get(f"{system.url}/v1/markets")["data"]]


def _executions(system: Running, venue: str, symbol: str) -> dict[int, tuple[float, float, str]]:
    """What the exchange says it traded: id on the stream -> (price, base size, taker side).

    Binance's live stream has aggregates with ids of their own. OKX names an aggregate by its last execution, and its
    REST answers have the single ones: there the single executions are the truth, and `_covers` adds them up.
    """
    aggregated = venue == "binance-usdm"
    rows = get_lines(system.control(f"trades?venue={venue}&symbol={symbol}{'&by=print' if aggregated else ''}"))
    unit = float(get(system.control(f"book?venue={venue}&symbol={symbol}"))["contract_size"])
    name = "print_id" if aggregated else "trade_id"
    return {int(row[name]): (float(row["price"]), float(row["size"]) * unit, row["side"]) for row in rows}


def _covers(trades: dict[str, Trade], executions: dict[int, tuple[float, float, str]]) -> None:
    """Check that each trade is exactly the executions since the one before it: none missing, none twice."""
    ids = sorted(map(int, trades))
    for before, number in pairwise(ids):
        trade = trades[str(number)]
        parts = [executions[one] for one in range(before + 1, number + 1)]
        assert {(price, side) for price, _, side in parts} == {(trade.price, trade.side.value)}, number
        assert sum(size for _, size, _ in parts) == pytest.approx(trade.size, rel=1e-9), number


def test_within_two_minutes_there_are_signals_and_a_message(system):
    until("every service is ready", lambda: all(system.ready(name) for name in SERVICES), 30)
    until("five markets are shown", lambda: len(_markets(system)) >= 5, 30)
    found = until(
        "a signal that judges", lambda: [s for s in get(f"{system.url}/v1/signals")["data"] if not s["abstained"]], 120
    )
    assert {row["origin"] for row in found} == {"simulated"}
    message = until("a Telegram message", system.messages, 120)[0]
    assert message["text"].startswith("SIMULATED")


def test_the_api_answers_what_it_should_and_refuses_by_name(system):
    (signal_row, *_) = [s for s in get(f"{system.url}/v1/signals")["data"] if not s["abstained"]]
    one = get(f"{system.url}/v1/signals/{signal_row['signal_id']}")
    assert one["signal_id"] == signal_row["signal_id"]
    assert abs(sum(share["contribution"] for share in one["contributions"]) - one["score"]) < 1e-9
    candles = get(f"{system.url}/v1/markets/BTC-USDT-PERP/candles?venue=okx&timeframe=1h&limit=5")
    assert len(candles["data"]) == 5
    book = get(f"{system.url}/v1/markets/BTC-USDT-PERP/book?venue=okx&depth=5")["book"]
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert book["bids"][0][0] < book["asks"][0][0]
    for path, status, field in (
        ("/v1/markets/NOPE-USDT/candles?timeframe=1m", 404, "symbol"),
        ("/v1/markets/BTC-USDT-PERP/candles?timeframe=7m", 400, "timeframe"),
        ("/v1/signals/sig_unknown", 404, "signal_id"),
    ):
        problem = get(system.url + path)
        assert problem["http_status"] == status, (path, problem)
        assert [error["field"] for error in problem["errors"]] == [field]


async def test_killing_each_service_loses_no_trade_and_no_alert_and_repeats_no_delivered_one(system):
    for name in SERVICES:
        system.kill(name)
    killed_ns = now_ns()
    markets = _markets(system)
    assert len(markets) >= 5

    async def judged() -> set[tuple[str, str]]:
        signals = [event for event in await system.topic(topics.SIGNALS) if isinstance(event, Signal)]
        return {(event.venue, event.symbol) for event in signals if event.as_of_ns > killed_ns}

    await _until_async("every market is judged again", judged, set(markets), 120)
    post(system.control("pause"))

    trades: dict[tuple[str, str], dict[str, Trade]] = {}
    for market in markets:
        executions = _executions(system, *market)
        last = str(max(executions))

        async def seen(market: tuple[str, str] = market) -> set[str]:
            for event in await system.topic(topics.TRADES):
                assert isinstance(event, Trade)
                assert event.origin is Origin.SIMULATED
                trades.setdefault((event.venue, event.symbol), {})[event.trade_id] = event
            return set(trades.get(market, {}))

        await _until_async(f"the last trade of {market} is on the topic", seen, {last}, 60)
        _covers(trades[market], executions)

    await _check_alerts(system)
    post(system.control("resume"))


async def _until_async(what: str, found: Any, wanted: set[Any], within_s: float) -> None:
    import asyncio

    async with asyncio.timeout(within_s):
        missing = wanted
        while missing := wanted - await found():
            await asyncio.to_thread(until, what, lambda: True, 1)
    assert not missing


_WRONG = "its signal was invalidated before it was sent"


async def _check_alerts(system: Running) -> None:
    published = {
        event.signal.signal_id
        for event in await system.topic(topics.VERDICTS)
        if isinstance(event, Verdict) and event.decision is Decision.PUBLISH
    }
    connection = await asyncpg.connect(system.state["postgres_dsn"])
    try:

        async def finished() -> set[str]:
            rows = await connection.fetch(
                "SELECT signal_id FROM alerts.outbox WHERE edits IS NULL AND (state = 'delivered' OR reason = $1)",
                _WRONG,
            )
            return {row["signal_id"] for row in rows}

        await _until_async("every published verdict is delivered", finished, published, 90)
        rows = await connection.fetch("SELECT alert_id, rule_id, signal_id, state, repeated FROM alerts.outbox")
    finally:
        await connection.close()
    rows = [row for row in rows if row["alert_id"] == alert_id(row["rule_id"], row["signal_id"])]  # no later step's
    assert len(rows) == len(published)
    assert {row["state"] for row in rows} <= {"delivered", "expired"}
    texts = [message["text"] for message in system.messages()]
    first = [text for text in texts if not text.split("\n")[1].startswith("INVALIDATED ")]  # no notices
    for row in rows:
        mentions = [text for text in first if text.endswith(f"Signal {row['signal_id']}")]
        repeats = [text for text in mentions if "(possible repeat)" in text]
        assert len(mentions) - len(repeats) == (row["state"] == "delivered"), mentions
        assert len(repeats) <= int(row["repeated"])


@pytest.mark.browser
async def test_the_page_says_simulated_its_price_moves_and_a_signal_shows_its_evidence(system, chromium):
    from playwright.async_api import expect

    page = await chromium.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(system.url)
    badge = page.get_by_test_id("origin-badge")
    await badge.wait_for(state="visible")
    assert "SIMULATED" in (await badge.inner_text()).upper()
    price = page.get_by_test_id("price")
    await expect(price).to_contain_text(re.compile("[0-9]"))
    await expect(price).not_to_have_text(await price.inner_text(), timeout=30_000)
    await page.get_by_test_id("show-evidence").click()
    evidence = page.get_by_test_id("signal-evidence").first
    await evidence.wait_for(state="visible")
    await expect(evidence).to_contain_text(re.compile("cvd|order.flow|technicals", re.IGNORECASE))
    await page.get_by_test_id("reading-cvd").first.wait_for(state="visible")
    assert await page.get_by_test_id("feed-health").first.is_visible()
    assert errors == []
    await page.close()


def test_ctrl_c_leaves_no_process_and_no_port_behind(system):
    state = system.state
    pids = [process["pid"] for process in state["processes"].values()]
    ports = [p for process in state["processes"].values() for p in (process["port"], process["health_port"]) if p]
    assert system.stop() == 0, system.tail()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    for port in {*ports, system.port}:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"port {port} is still open"
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(system.data) not in left
