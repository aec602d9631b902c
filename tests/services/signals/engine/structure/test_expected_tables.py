"""Gaps and standing swings equal another author's published tables, row by row, on 24,424 bars of EURUSD."""

import gzip

import polars as pl
import pytest

from libs.common.events import Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.structure.gaps import fair_value_gap
from services.signals.engine.structure.recent import Recent
from services.signals.engine.structure.swings import Swings

FOLDER = "expected_smc/EURUSD"


def table(recordings, name):
    with gzip.open(recordings / FOLDER / f"{name}.csv.gz") as data:
        return pl.read_csv(data.read(), infer_schema_length=None)


@pytest.fixture(scope="module")
def bars(recordings):
    rows = table(recordings, "EURUSD_15M")
    times = rows["Date"].str.to_datetime("%Y.%m.%d %H:%M:%S").dt.epoch("ns").to_list()
    columns = [rows[name].to_list() for name in ("Open", "High", "Low", "Close", "Volume")]
    return [
        Bar(open_ns, float(o), float(h), float(low), float(c), float(v))
        for open_ns, o, h, low, c, v in zip(times, *columns, strict=True)
    ]


def test_every_gap_is_theirs_and_every_one_of_theirs_is_ours(recordings, bars):
    expected = table(recordings, "fvg_result_data")
    wanted = [
        (row, int(side), low, high)
        for row, (side, high, low) in enumerate(expected.select("FVG", "Top", "Bottom").iter_rows())
        if side is not None
    ]
    recent, found = Recent(10), []
    for bar in bars:
        recent.add(bar)
        gap = fair_value_gap(recent, bar.open_ns + Timeframe.M15.ns, None, 0.0)
        if gap is not None:
            assert gap.known_ns == bar.open_ns + Timeframe.M15.ns
            found.append((gap.bar, gap.side, gap.low, gap.high))
    assert len(wanted) > 5_000
    assert found == wanted


def test_the_swings_that_stand_in_the_end_are_theirs(recordings, bars):
    """Theirs look at four bars before and five after (a window of ten, shifted by five), and at nothing before row 9.

    A bar that is both counts as a high there. The first and the last row are forced by that library and are no pivots.
    """
    expected = table(recordings, "swing_highs_lows_result_data")
    wanted = [
        (row, int(side), level)
        for row, (side, level) in enumerate(expected.select("HighLow", "Level").iter_rows())
        if side is not None
    ][1:-1]
    recent, swings, pivots = Recent(20), Swings("swing", 4, 5, 10, high_first=True), []
    for bar in bars:
        recent.add(bar)
        pivot = swings.add(recent, bar.open_ns + Timeframe.M15.ns, None)
        if pivot is not None:
            pivots.append(pivot)
    standing = [(p.bar, p.side, p.high) for p in pivots if p.state != "superseded" and p.bar >= 9]
    assert len(wanted) > 2_700
    assert standing == wanted
    assert all(bars[p.bar + 5].open_ns + Timeframe.M15.ns == p.known_ns for p in pivots)
    superseded = [p for p in pivots if p.state == "superseded"]
    assert len(superseded) + len(standing) == len([p for p in pivots if p.bar >= 9]) + sum(
        p.bar < 9 for p in superseded
    )
