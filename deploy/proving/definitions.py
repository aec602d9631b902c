"""`make definitions`: how often three definitions of each smart-money structure find one in the same bars.

A is the most used indicator of charting sites, as its published definitions read; B the most used library, by the
tables that its author published; ours is the engine's. The bars are B's: 24,424 quarter hours of EURUSD in
../shared/data/expected_smc. Written to docs/reports/definitions.md.
"""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import polars as pl

from deploy.proving.report import machine, write
from libs.common.events import Timeframe
from services.signals.candle_files import read_bars
from services.signals.engine.averages import Rma
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.oscillators import true_range
from services.signals.engine.structure import listing

DATA: Final = Path(os.environ.get("CSX_TEST_DATA", "../shared/data")) / "expected_smc" / "EURUSD"
REPORT: Final = Path("docs/reports/definitions.md")
_SWING: Final = 50
_INTERNAL: Final = 5
_EQUAL: Final = 3


def legs(bars: Sequence[Bar], size: int) -> list[tuple[int, int, int, float]]:
    """Return A's pivots: (bar known at, bar, side, price).

    A bar whose high is above the highs of the `size` bars after it begins a falling leg, one whose low is below theirs
    a rising one; where the leg turns stands a pivot. Nothing to the left of it is looked at.
    """
    found: list[tuple[int, int, int, float]] = []
    leg = 0
    for last in range(size, len(bars)):
        at = last - size
        later = bars[at + 1 : last + 1]
        if bars[at].high > max(bar.high for bar in later):
            turned, leg = leg != -1, -1
            if turned:
                found.append((last, at, 1, bars[at].high))
        elif bars[at].low < min(bar.low for bar in later):
            turned, leg = leg != 1, 1
            if turned:
                found.append((last, at, -1, bars[at].low))
    return found


def crossings(bars: Sequence[Bar], pivots: Sequence[tuple[int, int, int, float]]) -> Counter[str]:
    """Return how often a close crosses A's newest pivot with the bias (bos) and against it (choch), once a pivot."""
    counts: Counter[str] = Counter()
    newest: dict[int, float | None] = {1: None, -1: None}
    due = {at: (side, price) for at, _, side, price in pivots}
    bias = 0
    for n, (before, bar) in enumerate(pairwise(bars), start=1):
        if n in due:
            newest[due[n][0]] = due[n][1]
        for side in (1, -1):
            level = newest[side]
            if level is not None and side * (bar.close - level) > 0 >= side * (before.close - level):
                counts["bos" if bias in {0, side} else "choch"] += 1
                bias, newest[side] = side, None
    return counts


def gaps(bars: Sequence[Bar]) -> int:
    """Return A's gaps: a jump over a bar whose body is more than twice the mean body so far, in percent."""
    found, mean = 0, 0.0
    for total, (first, middle, third) in enumerate(zip(bars, bars[1:], bars[2:], strict=False), start=1):
        body = (middle.close - middle.open) / middle.open
        mean += (abs(body) - mean) / total
        up = third.low > first.high and middle.close > first.high and body > 2 * mean
        down = third.high < first.low and middle.close < first.low and -body > 2 * mean
        found += up or down
    return found


def equals(bars: Sequence[Bar]) -> tuple[int, int]:
    """Return A's equal highs and lows: pivots in a row, of size 3, closer than a tenth of the ATR(200)."""
    average = Rma(200)
    atr = [None, *(average.add(true_range(bar, before)) for before, bar in pairwise(bars))]
    last: dict[int, float] = {}
    counts = Counter[int]()
    for known, _, side, price in legs(bars, _EQUAL):
        limit = atr[known]
        if side in last and limit is not None and abs(price - last[side]) < 0.1 * limit:
            counts[side] += 1
        last[side] = price
    return counts[1], counts[-1]


def theirs() -> dict[str, int]:
    """Return how many rows B's tables hold."""

    def read(name: str) -> pl.DataFrame:
        return pl.read_csv(DATA / f"{name}.csv.gz", infer_schema_length=None)

    breaks = read("bos_choch_result_data")
    return {
        "swings": read("swing_highs_lows_result_data")["HighLow"].drop_nulls().len() - 2,
        "bos": breaks["BOS"].drop_nulls().len(),
        "choch": breaks["CHOCH"].drop_nulls().len(),
        "gaps": read("fvg_result_data")["FVG"].drop_nulls().len(),
        "joined": read("fvg_consecutive_result_data")["FVG"].drop_nulls().len(),
    }


def ours(bars: Sequence[Bar], swing_length: int | None, min_gap_atr: float | None) -> Counter[str]:
    """Return how many of each kind the engine finds; superseded pivots apart."""
    told = listing.told(EngineConfig().smc, swing_length, min_gap_atr)
    counts: Counter[str] = Counter()
    for one in listing.structures(bars, Timeframe.M15, told, anew=False):
        counts[one.kind if one.state != "superseded" else f"{one.kind}, superseded"] += 1
        if one.kind in {"order_block", "fair_value_gap"}:
            counts.update({f"{one.kind}, {state.state}": 1 for state in one.history})
    return counts


def compared(bars: Sequence[Bar]) -> list[tuple[str, str, str, str]]:
    """Return the rows: structure, ours, A, B."""
    told = EngineConfig().smc
    mine, like_b, b = ours(bars, None, None), ours(bars, 5, 0.0), theirs()
    large, small = legs(bars, _SWING), legs(bars, _INTERNAL)
    wide, narrow = crossings(bars, large), crossings(bars, small)
    highs, lows = equals(bars)

    def pivots(counts: Counter[str], scale: str) -> int:
        return counts[f"{scale}_high"] + counts[f"{scale}_low"]

    def turns(scale: str) -> str:
        shifts = mine[f"{scale}_mss"]
        return f"{mine[f'{scale}_choch'] + shifts:,} (of them {shifts:,} MSS)"

    def lives(kind: str, *words: str) -> str:
        return " / ".join(f"{mine[f'{kind}, {word}']:,}" for word in words)

    sizes = f"{told.swing_left}/{told.swing_right}", f"{told.internal_left}/{told.internal_right}"
    gap, block = "fair_value_gap", "order_block"
    all_gaps = f"{mine[gap]:,}; at least size 0: {like_b[gap]:,}"
    same = f"{b['swings']:,} (5); ours at its length {pivots(like_b, 'swing'):,}"
    blocks = f"{wide.total() + narrow.total():,}, one a break"
    sweeps = sum(number for kind, number in mine.items() if kind.startswith("sweep"))
    both = f"{mine['swing_bos']:,} / {mine['internal_bos']:,}"
    return [
        ("swings, large scale", f"{pivots(mine, 'swing'):,} ({sizes[0]})", f"{len(large):,} (50)", same),
        ("swings, internal", f"{pivots(mine, 'internal'):,} ({sizes[1]})", f"{len(small):,} (5)", "-"),
        ("BOS, large / internal", both, f"{wide['bos']:,} / {narrow['bos']:,}", f"{b['bos']:,}"),
        ("CHoCH, large", turns("swing"), f"{wide['choch']:,}", f"{b['choch']:,}"),
        ("CHoCH, internal", turns("internal"), f"{narrow['choch']:,}", "-"),
        ("fair-value gaps", all_gaps, f"{gaps(bars):,}", f"{b['gaps']:,}; joined: {b['joined']:,}"),
        (
            "... touched / half / filled / inverted",
            lives(gap, "touched", "half_filled", "filled", "inverted"),
            "-",
            "-",
        ),
        ("order blocks", f"{mine[block]:,}", blocks, "no table"),
        (
            "... touched / mitigated / invalidated / breaker",
            lives(block, "touched", "mitigated", "invalidated", "breaker"),
            "-",
            "-",
        ),
        (
            "equal highs / lows",
            f"{mine['equal_highs']:,} / {mine['equal_lows']:,}",
            f"{highs:,} / {lows:,}",
            "no table",
        ),
        ("sweeps", f"{sweeps:,}", "none", "no table"),
    ]


def main() -> int:
    """Count and write the page."""
    if not DATA.is_dir():
        sys.stderr.write(f"no tables in {DATA}: set CSX_TEST_DATA\n")
        return 2
    bars = read_bars(DATA / "EURUSD_15M.csv.gz", Timeframe.M15)
    rows = compared(bars)
    lines = ["| structure | ours | A | B |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    intro = f"{machine()}. `make definitions`; {len(bars):,} bars of EURUSD, 15 minutes."
    notes = (
        "A zone that one bar passes whole goes straight to its end, so the states of a life do not add up to the zones."
        " What the columns mean: [the layer's page](../layers/smc.md)."
    )
    write(REPORT, "Three definitions on the same bars", [intro, "\n".join(lines), notes])
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
