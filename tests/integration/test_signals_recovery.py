"""The signals worker is killed at any moment and restarted: its signals are those of an uninterrupted engine."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.proving.invented import Invented
from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import decode, encode
from libs.common.bus.publisher import Publisher
from libs.common.bus.reading import Reader
from libs.common.events import (
    MarketEvent,
    Signal,
    Timeframe,
    Verdict,
)
from libs.common.runtime.clock import monotonic_s
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine

MINUTES = 40
KILLS = 5
SYMBOLS = ("AAA-USDT", "BBB-USDT-PERP", "CCC-USDT")
CONFIG = EngineConfig(timeframes=(Timeframe.M1, Timeframe.M5))


def _expected(events: list[MarketEvent]) -> dict[str, bytes]:
    engine = Engine(CONFIG)
    outputs = [output for event in events for output in engine.apply(event)]
    return {output.signal_id: encode(output) for output in outputs if isinstance(output, Signal)}


class Worker:
    def __init__(self, bootstrap: str, log: Path) -> None:
        self._bootstrap, self._log = bootstrap, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.signals"], env=self._environment(), stdout=log, stderr=log
            )

    async def verify(self, signal_id: str) -> dict[str, Any]:
        """Ask the command that an operator would ask; return what it prints."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.cli", "signals", "verify", signal_id,
            env=self._environment(), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        found: dict[str, Any] = json.loads(out)
        return found

    def _environment(self) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
        return environment | {
            "CSX_KAFKA_BOOTSTRAP": self._bootstrap,
            "CSX_INSTANCE": "0",
            "CSX_SIGNALS_TIMEFRAMES": "1m,5m",
            "CSX_SIGNALS_SNAPSHOT_EVERY_S": "0.4",
        }

    def end(self, how: signal.Signals) -> int | None:
        if self._process is None:
            return None
        self._process.send_signal(how)
        code = self._process.wait(timeout=15)
        self._process = None
        return code


@pytest.fixture
def worker(embedded_broker: str, tmp_path: Path) -> Iterator[Worker]:
    made = Worker(embedded_broker, tmp_path / "signals.log")
    yield made
    made.end(signal.SIGKILL)


async def _said(bootstrap: str, topic: topics.Topic) -> list[bytes]:
    async with Reader(bootstrap, "csx-test") as reader:
        return [
            raw.value or b"" for partition in range(topic.partitions) async for raw in reader.read_all(topic, partition)
        ]


async def _until(bootstrap: str, number: int, within_s: float) -> dict[str, set[bytes]]:
    """Wait until the topic shows that many different signals; return every form in which each was published."""
    deadline_s = monotonic_s() + within_s
    while True:
        found: dict[str, set[bytes]] = {}
        for data in await _said(bootstrap, topics.SIGNALS):
            event = decode(data)
            assert isinstance(event, Signal)
            if event.symbol in SYMBOLS:
                found.setdefault(event.signal_id, set()).add(data)
        if len(found) >= number or monotonic_s() > deadline_s:
            return found


@pytest.mark.slow
async def test_killed_again_and_again_it_says_what_an_uninterrupted_engine_says(embedded_broker, worker):
    markets = {symbol: Invented("okx", symbol, seed).events(MINUTES) for seed, symbol in enumerate(SYMBOLS)}
    expected: dict[str, bytes] = {}
    for events in markets.values():
        expected |= _expected(events)
    assert len(expected) > 100
    assert any(b'"abstained":null' in data for data in expected.values())

    await ensure_topics(embedded_broker, topics.TOPICS)
    publisher = Publisher(embedded_broker, "csx-test")
    await publisher.start()
    everything = sorted((event for events in markets.values() for event in events), key=lambda e: e.received_ns)
    for start in range(0, len(everything), 1_000):
        await publisher.publish(everything[start : start + 1_000])
    await publisher.stop()
    for kill in range(KILLS):
        worker.start()
        await _until(embedded_broker, len(expected) * (kill + 1) // (KILLS + 2), within_s=30)
        worker.end(signal.SIGKILL)

    worker.start()
    found = await _until(embedded_broker, len(expected), within_s=60)
    assert found.keys() == expected.keys()
    differing = [signal_id for signal_id, forms in found.items() if forms != {expected[signal_id]}]
    assert differing == []
    assert worker.end(signal.SIGTERM) == 0

    for signal_id in random.Random(1).sample(sorted(expected), 3):
        verified = await worker.verify(signal_id)
        assert (verified["equal"], verified["difference"]) == (True, None), verified

    verdicts = {
        event.signal.signal_id
        for data in await _said(embedded_broker, topics.VERDICTS)
        if isinstance(event := decode(data), Verdict) and event.symbol in SYMBOLS
    }
    assert verdicts == expected.keys()
