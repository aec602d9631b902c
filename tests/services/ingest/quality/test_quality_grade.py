"""Grades: the documented table decides, the worst row wins, and the causes say what to do."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import SECOND_NS, FeedQuality, Grade, StreamQuality
from services.ingest.quality.grade import THRESHOLDS, graded
from services.ingest.quality.measure import Hole

NOW = 1_700_000_000 * SECOND_NS
PAGE = Path(__file__).resolve().parents[4] / "docs" / "semantics.md"


def stream(name: str, **parts: Any) -> StreamQuality:
    whole = {"coverage": 1.0, "gap_s": 0.0, "missing_s": 0.0, "open_gaps": 0, "staleness_s": 0.5}
    return StreamQuality(stream=name, **{**whole, **parts})


def quality(**parts: Any) -> FeedQuality:
    """A feed of two symbols that is well."""
    whole: dict[str, Any] = {
        "venue": "tiny",
        "event_ns": NOW,
        "grade": Grade.F,
        "causes": ("old",),
        "window_s": 3600.0,
        "streams": (stream("trades"), stream("books"), stream("liquidations", staleness_s=None)),
        "symbols": 2,
        "connections": 2,
        "connections_wanted": 2,
        "clock_offset_s": 0.02,
        "clock_bound_s": 0.01,
        "clock_cause": None,
        "bars_audited": 100,
        "bars_different": 0,
        "rest_budget_used": 0.3,
        "rest_pace": 1.0,
        "rest_venue_weight": None,
        "rest_paused_s": 0.0,
        "rest_in_flight": 0,
        "rest_waiting": 0,
    }
    return FeedQuality(**{**whole, **parts})


def judged(hole: Hole | None = None, **parts: Any) -> tuple[str, tuple[str, ...]]:
    found = graded(quality(**parts), lambda name: hole)
    return found.grade.value, found.causes


def test_a_feed_that_is_well_is_an_a_without_causes() -> None:
    assert judged() == ("a", ())


# each row of docs/semantics.md, at its bounds and just beyond
@pytest.mark.parametrize(
    ("parts", "grade"),
    [
        ({"streams": (stream("books", coverage=0.999),)}, "a"),
        ({"streams": (stream("books", coverage=0.9989),)}, "b"),
        ({"streams": (stream("books", coverage=0.99),)}, "b"),
        ({"streams": (stream("books", coverage=0.95),)}, "c"),
        ({"streams": (stream("books", coverage=0.5),)}, "d"),
        ({"streams": (stream("liquidations", coverage=0.49),)}, "f"),
        ({"streams": (stream("funding", coverage=None, staleness_s=5000.0),)}, "a"),
        ({"streams": (stream("trades", staleness_s=60.0),)}, "a"),
        ({"streams": (stream("trades", staleness_s=61.0),)}, "b"),
        ({"streams": (stream("trades", staleness_s=121.0),)}, "c"),
        ({"streams": (stream("books", staleness_s=301.0),)}, "d"),
        ({"streams": (stream("books", staleness_s=901.0),)}, "f"),
        ({"streams": (stream("books", coverage=None, staleness_s=None),), "window_s": 50.0}, "a"),
        ({"streams": (stream("books", coverage=None, staleness_s=None),), "window_s": 1000.0}, "f"),
        ({"symbols": 20, "streams": (stream("trades", silent=("A", "B")),)}, "b"),
        ({"symbols": 20, "streams": (stream("trades", silent=("A", "B", "C")),)}, "c"),
        ({"symbols": 2, "streams": (stream("trades", silent=("A", "B")),)}, "d"),
        ({"connections": 1}, "c"),
        ({"connections": 0}, "f"),
        ({"connections": 0, "connections_wanted": 0}, "f"),
        ({"symbols": 0}, "f"),
        ({"clock_offset_s": 0.51}, "a"),  # 0.5 beyond its bound
        ({"clock_offset_s": -0.6}, "b"),
        ({"clock_offset_s": -1.5}, "c"),
        ({"clock_offset_s": 86_400.0}, "d"),
        ({"clock_offset_s": None, "clock_bound_s": None, "clock_cause": "no call"}, "a"),
        ({"bars_different": 1, "bars_audited": 200}, "b"),
        ({"bars_different": 1, "bars_audited": 100}, "c"),
        ({"bars_different": 10, "bars_audited": 100}, "d"),
        ({"bars_different": 11, "bars_audited": 100}, "f"),
        ({"bars_different": 0, "bars_audited": 0}, "a"),
        ({"rest_paused_s": 1.0}, "b"),
        ({"rest_paused_s": 61.0}, "c"),
        ({"rest_paused_s": 600.0}, "d"),
        ({"rest_budget_used": 0.95}, "b"),
        ({"rest_pace": 0.1}, "b"),
    ],
)
def test_each_threshold(parts: dict[str, Any], grade: str) -> None:
    found, causes = judged(**parts)
    assert found == grade
    assert (causes == ()) is (grade == "a")


def test_the_worst_decides_and_its_cause_comes_first() -> None:
    grade, causes = judged(
        Hole("BTC-USDT-PERP", "sequence", NOW - 41 * SECOND_NS, 0),
        streams=(stream("books", coverage=0.98, missing_s=144.4, open_gaps=2),),
        connections=1,
        rest_paused_s=2.0,
        clock_offset_s=-9.0,
        clock_bound_s=0.04,
        symbols=7,
    )
    assert grade == "d"
    assert [cause.split(":")[0] for cause in causes] == [
        "the venue's clock is 9.000 s behind ours (give or take 0.040 s)",
        "1 of 2 connections are down",
        "books",
        "the venue forbids calls for 2 s more",
    ]
    assert causes[2] == (
        "books: 98.00% covered, 144 s missing in holes, 2 open, the oldest: BTC-USDT-PERP for 41 s (sequence)"
    )


def test_a_cause_names_few_of_many_silent_symbols() -> None:
    names = tuple(f"S{number}-USDT" for number in range(8))
    _, causes = judged(symbols=100, streams=(stream("trades", silent=names),))
    (cause,) = causes
    assert cause.startswith("trades: 8 of 100 symbols are silent beyond their own pace: S0-USDT, S1-USDT, S2-USDT, ")
    assert cause.endswith("S4-USDT and 3 more")


def test_the_documented_table_is_the_one_that_decides() -> None:
    row = r"^\| `(\w+)` \|[^|]*\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$"
    rows = re.findall(row, PAGE.read_text(), re.MULTILINE)
    documented = {
        name: tuple(float("inf") if bound == "any" else float(bound.removesuffix(" s")) for bound in bounds)
        for name, *bounds in rows
        if name in THRESHOLDS
    }
    assert documented == {name: msgspec.structs.astuple(limits) for name, limits in THRESHOLDS.items()}


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 4000), st.integers(0, 3), st.integers(0, 9), st.floats(0, 1000))
def test_a_grade_is_never_better_for_worse_numbers(
    coverage: float, worse: float, staleness: float, closed: int, different: int, paused: float
) -> None:
    parts: dict[str, Any] = {
        "connections_wanted": 3,
        "connections": 3 - closed,
        "bars_different": different,
        "rest_paused_s": paused,
    }
    better, other = sorted((coverage, worse), reverse=True)
    one, _ = judged(streams=(stream("books", coverage=better, staleness_s=staleness),), **parts)
    two, _ = judged(streams=(stream("books", coverage=other, staleness_s=staleness),), **parts)
    assert two >= one
