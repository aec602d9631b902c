"""`csx signals structures` prints what the published tables hold, and says how rows and holes are meant."""

import gzip
import io
import json

import polars as pl
import pytest
from typer.testing import CliRunner

from services.signals.cli import app

FOLDER = "expected_smc/EURUSD"


def run(*words):
    result = CliRunner().invoke(app, ["structures", *map(str, words)])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def table(recordings, name):
    with gzip.open(recordings / FOLDER / f"{name}.csv.gz") as data:
        return pl.read_csv(io.BytesIO(data.read()), infer_schema_length=None)


@pytest.fixture(scope="module")
def printed(recordings):
    path = recordings / FOLDER / "EURUSD_15M.csv.gz"
    code, lines = run("--candles", path, "--timeframe", "15m", "--swing-length", 5, "--min-gap-atr", 0)
    assert code == 0
    return lines


def test_gaps_and_standing_swings_are_the_tables(recordings, printed):
    gaps = [(one["bar"], one["side"], one["low"], one["high"]) for one in printed if one["kind"] == "fair_value_gap"]
    wanted = table(recordings, "fvg_result_data").select("FVG", "Bottom", "Top").rows()
    assert gaps == [(row, int(side), low, high) for row, (side, low, high) in enumerate(wanted) if side is not None]

    swings = [
        (one["bar"], one["side"], one["low"])
        for one in printed
        if one["kind"] in {"swing_high", "swing_low"} and one["state"] != "superseded"
    ]
    wanted = table(recordings, "swing_highs_lows_result_data").rows()
    assert swings == [(row, int(side), level) for row, (side, level) in enumerate(wanted) if side is not None][1:-1]


def test_lines_come_in_the_order_of_knowing_with_their_history(printed):
    known = [one["known_ns"] for one in printed]
    assert known == sorted(known)
    for one in printed:
        times = [state["at_ns"] for state in one["history"]]
        assert times[0] == one["known_ns"] > one["formed_ns"]
        assert times == sorted(times)
        assert one["state"] == one["history"][-1]["state"]
        assert one["known_at"].endswith("Z")
    assert len({one["structure_id"] for one in printed}) == len(printed)


def test_holes_may_end_a_run(recordings, printed):
    path = recordings / FOLDER / "EURUSD_15M.csv.gz"
    _, anew = run(
        "--candles", path, "--timeframe", "15m", "--swing-length", 5, "--min-gap-atr", 0, "--anew-after-holes"
    )
    gaps = {one["bar"] for one in anew if one["kind"] == "fair_value_gap"}
    assert gaps < {one["bar"] for one in printed if one["kind"] == "fair_value_gap"}


def test_what_is_wrong_is_said(tmp_path):
    assert run("--candles", tmp_path / "none.csv", "--timeframe", "15m")[0] != 0
