import json
import os
import subprocess
import sys

import polars as pl
import pytest
import talib
from typer.testing import CliRunner

from libs.common.bus.codec import decode, encode
from libs.common.events import Candle, LayerReading, Signal, Timeframe
from libs.common.runtime.errors import InputError
from services.signals.cli import app
from services.signals.engine.engine import Engine

CSX = [sys.executable, "-c", "from services.signals.cli import app; app()"]


def run(*args, stdin=None):
    result = CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def events_of(result):
    return [decode(line) for line in result.stdout.splitlines()]


@pytest.fixture
def tape(make, tmp_path):
    file = tmp_path / "tape.ndjson"
    file.write_bytes(b"\n".join(map(encode, make.market(21, 7))) + b"\n\n")
    return file


def test_candles_of_the_timeframes_asked_for(tape):
    bars = events_of(run("candles", "--timeframes", "5m,1m", tape))
    assert {type(bar) for bar in bars} == {Candle}
    assert [bar.timeframe for bar in bars] == ["1m", "5m", *["1m"] * 5, "5m", "1m", "1m"]
    assert events_of(run("candles", "--timeframes", "5m,1m", "-", stdin=tape.read_bytes())) == bars


def test_replay_prints_what_the_engine_says(tape, make):
    outputs = events_of(run("replay", tape))
    engine = Engine()
    expected = [output for event in make.market(21, 7) for output in engine.apply(event)]
    assert outputs == [output for output in expected if not isinstance(output, Candle)]
    assert {type(output) for output in outputs} == {LayerReading, Signal}
    assert any(isinstance(output, Signal) and output.abstained for output in outputs)


def test_what_is_no_market_event_is_passed_over(tape, make):
    signal = next(output for output in events_of(run("replay", tape)) if isinstance(output, Signal))
    assert run("replay", "-", stdin=encode(signal)).stdout == ""


@pytest.mark.parametrize("command", ["candles", "replay"])
def test_a_bad_line_is_named(tape, command):
    lines = tape.read_bytes().splitlines()
    lines[2] = b'{"type":"trade"'
    with pytest.raises(InputError, match="line 3") as e:
        run(command, "-", stdin=b"\n".join(lines))
    assert e.value.exit_code == 2


def test_wrong_usage_is_refused(tmp_path, tape):
    with pytest.raises(InputError, match="2m"):
        run("candles", "--timeframes", "1m,2m", tape)
    with pytest.raises(InputError, match="No such file"):
        run("candles", tmp_path / "none")
    with pytest.raises(InputError, match="choose of"):
        run("indicators", "--candles", tape, "--timeframe", "1m,5m")


def test_equal_bytes_whatever_the_hash_seed(tape):
    outputs = [
        subprocess.run(
            [*CSX, "replay", str(tape)], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "4242")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) > 100


def test_a_reader_that_goes_away_ends_the_command_quietly(make, tmp_path):
    file = tmp_path / "long.ndjson"
    file.write_bytes(b"\n".join(map(encode, make.market(22, 120))))
    process = subprocess.Popen([*CSX, "replay", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0


def candle_file(folder, suffix, step_s=60, rows=60, start=1_700_006_400):
    frame = pl.DataFrame(
        {
            "date": pl.from_epoch(pl.Series([start + n * step_s for n in range(rows)]), time_unit="s"),
            "open": [100.0 + n for n in range(rows)],
            "high": [101.5 + n for n in range(rows)],
            "low": [99.0 + n for n in range(rows)],
            "close": [101.0 + n for n in range(rows)],
            "volume": [1.0 + n for n in range(rows)],
        }
    )
    path = folder / f"candles{suffix}"
    if suffix == ".feather":
        frame.write_ipc(path)
    elif suffix == ".parquet":
        frame.write_parquet(path)
    elif suffix == ".csv":
        frame.write_csv(path)
    else:
        import gzip

        with gzip.open(path, "wb") as file:
            frame.rename({"date": "DateTime", "close": "Close"}).write_csv(file)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".feather"])
def test_indicators_of_every_kind_of_file(tmp_path, suffix):
    lines = run("indicators", "--candles", candle_file(tmp_path, suffix), "--timeframe", "1m").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 60
    assert [row["open_ns"] for row in rows[:2]] == [1_700_006_400 * 10**9, 1_700_006_460 * 10**9]
    assert (rows[13]["rsi_14"], rows[14]["rsi_14"]) == (None, 100.0)
    assert (rows[18]["bb_middle"], rows[19]["bb_middle"]) == (None, 110.5)
    assert (rows[0]["close"], rows[59]["ema_200"]) == (101.0, None)


def test_finer_files_are_reaggregated_and_coarser_refused(tmp_path):
    path = candle_file(tmp_path, ".csv", rows=63, start=1_700_006_400 - 120)
    rows = [json.loads(line) for line in run("indicators", "--candles", path, "--timeframe", "5m").stdout.splitlines()]
    assert [row["open_ns"] for row in rows] == [(1_700_006_400 + n * 300) * 10**9 for n in range(12)]
    assert rows[0]["close"] == 101.0 + 6
    hourly = candle_file(tmp_path, ".parquet", step_s=3600)
    with pytest.raises(InputError, match="cannot make bars of 1m"):
        run("indicators", "--candles", hourly, "--timeframe", "1m")


def test_a_hole_in_the_file_restarts_the_warm_up(tmp_path):
    path = candle_file(tmp_path, ".csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:31], *lines[32:]]))
    rows = [json.loads(line) for line in run("indicators", "--candles", path, "--timeframe", "1m").stdout.splitlines()]
    assert len(rows) == 59
    assert rows[29]["rsi_14"] == 100.0
    assert rows[30]["rsi_14"] is None


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".feather"])
def test_analyze_says_one_reading_a_closed_bar_and_layer(tmp_path, suffix):
    path = candle_file(tmp_path, suffix, rows=300)
    readings = events_of(run("analyze", "--candles", path, "--timeframe", "5m", "--layers", "timeframes,cvd,fibonacci"))
    assert [reading.layer for reading in readings] == ["cvd", "timeframes", "fibonacci"] * 60
    assert [reading.as_of_ns for reading in readings[::3]] == [(1_700_006_400 + 300 * n) * 10**9 for n in range(1, 61)]
    assert {reading.symbol for reading in readings} == {"candles"}
    assert {str(reading.facts["cause"]) for reading in readings[::3]} == {"no_ticks"}
    timeframes = readings[-2]
    assert timeframes.facts["trend_1m"] is not None
    assert timeframes.facts["absent_15m"] == "warming_up"
    assert timeframes.facts["absent_1d"] == "no_bar"
    assert {"change_atr_1h_forming", "change_atr_15m_forming"} & timeframes.facts.keys() == set()
    assert run("analyze", "--candles", path, "--timeframe", "1d").stdout == ""


def test_analyze_refuses_what_it_cannot_answer(tmp_path):
    path = candle_file(tmp_path, ".csv")
    with pytest.raises(InputError, match="unknown layer tarot: choose of cvd"):
        run("analyze", "--candles", path, "--timeframe", "5m", "--layers", "fibonacci,tarot")
    with pytest.raises(InputError, match="choose of"):
        run("analyze", "--candles", path, "--timeframe", "2m")


@pytest.mark.recordings
def test_analyze_refuses_a_coarser_file_and_is_the_same_whatever_the_hash_seed(recordings):
    path = recordings / "ohlcv" / "binance_spot_2024" / "BTC_USDT-1d.feather"
    with pytest.raises(InputError, match="bars of 1d cannot make bars of 4h"):
        run("analyze", "--candles", path, "--timeframe", "4h")
    outputs = [
        subprocess.run(
            [*CSX, "analyze", "--candles", str(path), "--timeframe", "1d"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "random")
    ]
    assert outputs[0]
    assert outputs[0] == outputs[1] == outputs[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("volume", "size"), "no column volume"),
        (lambda text: text.replace("date", "when"), "no column date, datetime"),
        (lambda text: text.replace(",101.5,", ",1.5,"), "row 1 is no candle"),
        (lambda text: text.replace(",101.5,", ",,"), "row 1 lacks a value"),
        (lambda text: text.replace(",101.5,", ",x,"), "is no number"),
        (lambda text: text.replace("2023-11-15T00:00:00.000000", "yesterday"), "row 1 has no time"),
        (lambda text: text + text.splitlines()[-1] + "\n", "same time"),
        (lambda text: "", "candles.csv"),
    ],
)
def test_files_that_are_no_candles_are_refused(tmp_path, change, message):
    path = candle_file(tmp_path, ".csv")
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        run("indicators", "--candles", path, "--timeframe", "1m")


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "candles.txt").write_text("")
    with pytest.raises(InputError, match=r"not a \.csv"):
        run("indicators", "--candles", tmp_path / "candles.txt", "--timeframe", "1m")


def test_rows_that_open_beside_the_timeframe_are_refused(tmp_path):
    with pytest.raises(InputError, match="no bar of 1m is whole"):
        run("indicators", "--candles", candle_file(tmp_path, ".csv", start=1_700_006_405), "--timeframe", "1m")


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_epoch_times_tell_their_unit(tmp_path, unit):
    path = candle_file(tmp_path, ".csv", rows=2)
    text = path.read_text()
    for n in range(2):
        text = text.replace(f"2023-11-15T00:0{n}:00.000000", str((1_700_006_400 + 60 * n) * unit))
    path.write_text(text)
    rows = [json.loads(line) for line in run("indicators", "--candles", path, "--timeframe", "1m").stdout.splitlines()]
    assert [row["open_ns"] for row in rows] == [1_700_006_400 * 10**9, 1_700_006_460 * 10**9]


@pytest.mark.recordings
def test_indicators_of_a_real_file_equal_talib(recordings):
    path = recordings / "ohlcv" / "binance_spot_2024" / "BTC_USDT-1h.feather"
    rows = [json.loads(line) for line in run("indicators", "--candles", path, "--timeframe", "1d").stdout.splitlines()]
    close = pl.read_ipc(str(path).replace("-1h", "-1d"))["close"].to_numpy()[: len(rows)]
    assert len(rows) >= 248
    assert Timeframe.D1.open_ns(rows[0]["open_ns"]) == rows[0]["open_ns"]
    expected = talib.RSI(close, 14)
    assert [row["rsi_14"] for row in rows[14:]] == pytest.approx(expected[14:].tolist(), rel=1e-9)
