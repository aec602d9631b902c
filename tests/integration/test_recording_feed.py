"""A real recording through the whole running system: every trade on the topic, candles as counted independently."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.children import free_port
from libs.common.bus import topics
from libs.common.events import MINUTE_NS, Origin, Trade
from tests.integration.running import Running, get, until

pytestmark = [pytest.mark.slow, pytest.mark.recordings]

RECORDING = "raw/binance_usdm/2024-08-08_btcusdt.gz"
COUNTED = 21_313
"""The number of trades that the recording's own description states."""


@pytest.fixture(scope="module")
def system(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(
        tmp_path_factory.mktemp("recording"), free_port(),
        "--feed", str(recordings / RECORDING), "--speed", "10", "--for", "150s",
    )  # fmt: skip
    try:
        running.wait_up()
        yield running
    finally:
        running.stop()


def _independent(path: Path, minutes: int) -> dict[int, dict[str, float]]:
    """Bars from the file's raw lines, without a line of the system's own parsers: opening time in ns -> values."""
    bars: dict[int, list[Any]] = defaultdict(list)
    with gzip.open(path, "rt") as lines:
        for line in lines:
            frame = json.loads(line.partition(" ")[2])
            data = frame.get("data", frame)
            if data.get("e") == "trade" and data["X"] == "MARKET":
                at_ns = data["T"] * 1_000_000
                bars[at_ns - at_ns % (minutes * MINUTE_NS)].append(
                    (data["t"], float(data["p"]), float(data["q"]), data["m"])
                )
    found = {}
    for open_ns, rows in bars.items():
        rows.sort()
        prices = [row[1] for row in rows]
        found[open_ns] = {
            "open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1],
            "volume": sum(row[2] for row in rows),
            "taker_buy_volume": sum(row[2] for row in rows if not row[3]),
        }  # fmt: skip
    return found


async def test_every_trade_of_the_recording_is_on_the_topic(system):
    until("the recording has been played", lambda: get(system.control("status")).get("finished"), 120, every_s=1)
    seen: dict[str, Trade] = {}

    def complete() -> bool:
        return len(seen) >= COUNTED

    for _ in range(20):
        for event in await system.topic(topics.TRADES):
            assert isinstance(event, Trade)
            seen[event.trade_id] = event
        if complete():
            break
    assert len(seen) == COUNTED
    assert sum(trade.side.value == "sell" for trade in seen.values()) == 11_697
    assert {trade.origin for trade in seen.values()} == {Origin.RECORDED}


@pytest.mark.parametrize(("timeframe", "minutes", "least"), [("1m", 1, 4), ("5m", 5, 0)])
def test_the_gateways_candles_are_those_of_an_independent_count(system, recordings, timeframe, minutes, least):
    expected = _independent(recordings / RECORDING, minutes)
    path = f"{system.url}/v1/markets/BTC-USDT-PERP/candles?timeframe={timeframe}"

    def served() -> list[dict[str, Any]] | None:
        rows = [row for row in get(path, system.state["key"])["data"] if row["complete"]]
        return rows if len(rows) >= least else None

    rows = until("the candles are served", served, 30) if least else served()
    assert rows is not None
    assert get(path, system.state["key"])["origin"] == "recorded"
    for row in rows:
        values = expected[row["open_ns"]]
        for name in ("open", "high", "low", "close"):
            assert row[name] == values[name], (row, values)
        for name in ("volume", "taker_buy_volume"):
            assert row[name] == pytest.approx(values[name], rel=1e-12)


def test_without_its_key_the_page_of_a_recording_shows_nothing(system):
    answer = get(f"{system.url}/v1/signals")
    assert (answer["http_status"], answer["code"]) == (401, "unauthenticated")
    assert [error["field"] for error in answer["errors"]] == ["Authorization"]
