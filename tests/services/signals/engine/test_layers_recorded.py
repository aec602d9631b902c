"""Every layer over every real recording: bounded, the same in every process and batch, silent with a cause."""

import hashlib
import os
import subprocess
import sys
from itertools import chain
from typing import Any

import pytest

from libs.common.bus.codec import encode
from libs.common.events import LayerReading, Signal
from services.ingest.recording.normalize import Normalizer
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine
from services.signals.engine.layers import LAYERS
from services.signals.merge import Arrived
from services.signals.partition import Partition

RECORDINGS = {
    "spot 2021-04": ("binance-spot", "binance_spot/2021-04-04_BINANCE-ee25be.0.gz"),
    "spot 2021-10": ("binance-spot", "binance_spot/2021-10-12_BINANCE.ws.1.0"),
    "spot 2024": ("binance-spot", "binance_spot/2024-08-08_btcusdt.gz", "binance_spot/2024-08-09_btcusdt.gz"),
    "usdm 2021": ("binance-usdm", "binance_usdm/2021-07-22_BINANCE_FUTURES.ws.1.0"),
    "usdm 2023": ("binance-usdm", "binance_usdm/2023-04-04_btcusdt.dat.gz", "binance_usdm/2023-04-05_btcusdt.dat.gz"),
    "usdm 2024": ("binance-usdm", "binance_usdm/2024-08-08_btcusdt.gz"),
    "usdm liquidations": ("binance-usdm", "binance_usdm/forceOrder_frames.jsonl"),
    "bybit": ("bybit", "bybit/2026-08-09_BYBIT.jsonl.zst"),
    "okx 2022": ("okx", "okx/2022-05-13_OKX.ws.1.0"),
    "okcoin": ("okx", "okx/2023-05-27_OKCOIN.ws.1.0"),
    "okx books": ("okx", "okx/2026-08-24_okx_books.jsonl"),
    "okx perpetual": ("okx", "okx/2026-09-30_okx_perp_stream.tsv"),
    "coinapi": ("coinapi", "coinapi/ws_trade.json", "coinapi/documented_ws_book.json"),
}


@pytest.fixture(scope="module", params=list(RECORDINGS))
def events(request, recordings):
    venue, *names = RECORDINGS[request.param]
    return list(Normalizer(venue, [recordings / "raw" / name for name in names]).run())


@pytest.fixture(scope="module")
def straight(events):
    """What one engine says of each event, and how it stands in the end."""
    engine = Engine(EngineConfig())
    return [tuple(engine.apply(event)) for event in events], engine.dump()


def numbers(reading: LayerReading) -> list[float]:
    return [fact for fact in reading.facts.values() if isinstance(fact, float)]


def test_readings_are_bounded_finite_and_abstain_with_a_cause(straight):
    names = set()
    for outputs in straight[0]:
        for output in outputs:
            readings: tuple[LayerReading, ...] = ()
            if isinstance(output, LayerReading):
                readings = (output,)
            elif isinstance(output, Signal):
                readings = output.readings
                assert -1 <= output.score <= 1
                assert 0 <= output.confidence <= 1
                assert output.probability is None or 0 < output.probability < 1
                assert output.probability_status == "unproven"
                assert {one.layer for one in output.contributions} <= {one.layer for one in readings}
                assert all(absence.cause for absence in output.absent)
            for reading in readings:
                names.add(reading.layer)
                assert -1 <= reading.score <= 1, reading
                assert 0 <= reading.confidence <= 1, reading
                assert reading.confidence > 0 or (reading.score == 0 and reading.facts["cause"]), reading
                assert all(abs(number) < 1e18 for number in numbers(reading)), reading
                assert all(mark.low <= mark.high for mark in reading.marks), reading
                assert all(mark.formed_ns <= mark.known_ns <= reading.as_of_ns for mark in reading.marks), reading
    assert names <= set(LAYERS)


def digest(outputs: Any) -> str:
    return hashlib.sha256(b"\n".join(encode(output) for output in outputs)).hexdigest()


def test_batches_of_any_size_say_the_same(events, straight):
    wanted = digest(chain.from_iterable(straight[0]))
    for size in (7, 1_000):
        partition, said = Partition(0, Engine(EngineConfig())), []
        for start in range(0, len(events), size):
            batch = [Arrived("t", start + n, event) for n, event in enumerate(events[start : start + size])]
            outputs, rejects = partition.fold(batch)
            assert rejects == []
            said += outputs
        assert digest(said) == wanted


def test_a_dump_in_the_middle_changes_nothing(events, straight):
    engine, half = Engine(EngineConfig()), len(events) // 2
    for event in events[:half]:
        engine.apply(event)
    restored = Engine.load(engine.dump(), EngineConfig())
    said, end = straight
    wanted = digest(chain.from_iterable(said[half:]))
    assert digest(chain.from_iterable(restored.apply(event) for event in events[half:])) == wanted
    assert restored.dump() == end


def test_another_process_with_other_hashes_says_the_same_bytes(recordings, tmp_path):
    venue, *names = RECORDINGS["usdm 2024"]
    lines = tmp_path / "events.ndjson"
    with lines.open("wb") as out:
        for event in Normalizer(venue, [recordings / "raw" / name for name in names]).run():
            out.write(encode(event) + b"\n")
    said = []
    for seed in ("0", "4711"):
        done = subprocess.run(
            [sys.executable, "-m", "deploy.cli", "signals", "replay", str(lines)],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        said.append(done.stdout)
    assert len(said[0]) > 100_000
    assert said[0] == said[1]
