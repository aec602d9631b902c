"""`make bench`, the engine: all layers over a recorded session, and the smart-money layer against a peer library.

Each number is a ratio against a limit or a peer of the same run. The recordings of ../shared/data are needed
(`CSX_TEST_DATA` says where they are); the report is written to docs/reports/bench-engine.md.
"""

import argparse
import contextlib
import gc
import io
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
from msgspec import Struct

from deploy.proving.report import Finding, machine, table, write
from deploy.proving.warm import history
from libs.common.events import Candle, Signal, Timeframe
from services.ingest.recording.normalize import Normalizer
from services.signals.candle_files import read_bars
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine
from services.signals.engine.indicators import Indicators, Values
from services.signals.engine.layers.smc import Smc

DATA: Final = Path(os.environ.get("CSX_TEST_DATA", "../shared/data"))
REPORT: Final = Path("docs/reports/bench-engine.md")
EVENTS_S: Final = 30_000
CLOSE_MS: Final = 2.0
PEER: Final = 2.0


class Run(Struct, frozen=True):
    """One pass over the session."""

    events: int
    seconds: float
    closes_ms: list[float]
    """Of each moment at which bars closed, per bar."""


def fold(events: Sequence[Any], before: Sequence[Candle]) -> Run:
    """Fold the session once, with a warm history; only its own events are timed."""
    engine = Engine(EngineConfig())
    for candle in before:
        engine.apply(candle)
    closes_ms: list[float] = []
    total_s = 0.0
    gc.collect()
    clock = time.perf_counter
    for event in events:
        began_s = clock()
        outputs = engine.apply(event)
        took_s = clock() - began_s
        bars = sum(isinstance(output, Signal) for output in outputs)
        if bars:
            closes_ms.append(took_s * 1e3 / bars)
        if len(closes_ms) != 1 or not bars:  # the first close builds everything from history: told apart
            total_s += took_s
    return Run(len(events), total_s, closes_ms)


def session(runs: int) -> list[Finding]:
    """Measure the whole engine over the BTC perpetual session."""
    files = [DATA / "raw" / "binance_usdm" / "2024-08-08_btcusdt.gz"]
    events = list(Normalizer("binance-usdm", files).run())
    price = next(event.price for event in events if hasattr(event, "price"))
    before = history(DATA, events[0], price)
    done = [fold(events, before) for _ in range(runs)]
    best = min(done, key=lambda run: run.seconds)
    rate = best.events / best.seconds
    warm = sorted(ms for run in done for ms in run.closes_ms[1:])  # the first close builds everything from history
    middle_ms = statistics.median(warm)
    mean_us = best.seconds / best.events * 1e6
    return [
        Finding(
            f"all layers, {best.events:,} events of the BTC perpetual, 2024-08-08, best of {runs}",
            f"{EVENTS_S:,} events/s, mean {1e6 / EVENTS_S:.0f} us",
            f"{rate:,.0f} events/s, mean {mean_us:.1f} us: {rate / EVENTS_S:.2f} times the limit",
            rate >= EVENTS_S,
        ),
        Finding(
            f"close of one bar, {len(warm)} closes, median and worst",
            f"{CLOSE_MS:g} ms",
            f"{middle_ms:.2f} and {warm[-1]:.2f} ms: {middle_ms / CLOSE_MS:.2f} of the limit",
            middle_ms <= CLOSE_MS,
        ),
        Finding(
            "the first close, which builds seven timeframes from history",
            "told, no limit",
            f"{statistics.median(run.closes_ms[0] for run in done):.0f} ms a bar",
            True,
        ),
    ]


def smart_money(runs: int) -> list[Finding]:
    """Measure the layer `smc` against the peer's batch calls on the same bars, alternately; the medians count."""
    path = DATA / "expected_smc" / "EURUSD" / "EURUSD_15M.csv.gz"
    rows = pl.read_csv(path, infer_schema_length=10_000)
    bars = read_bars(path, Timeframe.M15)
    indicators = Indicators()
    values = [indicators.add(bar) for bar in bars]
    peer = _peer(rows)
    ours_s: list[float] = []
    theirs_s: list[float] = []
    for _ in range(runs):
        ours_s.append(_timed(lambda: _layer(bars, values)))
        theirs_s.append(_timed(peer))
    ours, theirs = (statistics.median(one) / len(bars) * 1e6 for one in (ours_s, theirs_s))
    return [
        Finding(
            f"layer smc against smartmoneyconcepts 0.0.27, the same {len(bars):,} bars, median of {runs}",
            f"at least {PEER:g} times as fast a bar",
            f"{ours:.1f} us a bar, the peer {theirs:.1f} us: {theirs / ours:.2f} times",
            theirs / ours >= PEER,
        )
    ]


def _layer(bars: Sequence[Bar], values: Sequence[Values]) -> None:
    layer = Smc.new(EngineConfig())
    for bar, value in zip(bars, values, strict=True):
        layer.on_bar(bar, value, bar.open_ns + Timeframe.M15.ns)


def _peer(rows: pl.DataFrame) -> Callable[[], None]:
    """Return the calls that find what our layer finds: gaps, swings, breaks, blocks, liquidity, periods, sessions."""
    os.environ["SMC_CREDIT"] = "0"
    with contextlib.redirect_stdout(io.StringIO()):  # it greets
        from smartmoneyconcepts import smc
    frame = rows.to_pandas()
    frame.columns = [str(name).lower() for name in frame.columns]
    frame.index = frame["date"].astype("datetime64[ns]")

    def calls() -> None:
        smc.fvg(frame)
        swings = smc.swing_highs_lows(frame, swing_length=5)
        smc.bos_choch(frame, swings)
        smc.ob(frame, swings)
        smc.liquidity(frame, swings)
        smc.retracements(frame, swings)
        for period in ("1D", "1W", "1ME"):
            smc.previous_high_low(frame, time_frame=period)
        for name in ("London", "New York"):
            smc.sessions(frame, session=name)

    return calls


def _timed(call: Callable[[], None]) -> float:
    gc.collect()
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s


def main() -> int:
    """Measure, write the report, say what was missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.stderr.write(f"no recordings in {DATA}: set CSX_TEST_DATA\n")
        return 2
    findings = [*session(options.runs), *smart_money(options.runs)]
    write(options.out, "The engine's speed", [f"{machine()}. `make bench`, one core.", table(findings)])
    sys.stdout.write(table(findings) + "\n")
    return 0 if all(one.held for one in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
