"""Wrong usage and wrong input: one clear line and its exit code, and what was readable is not lost."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from libs.common.bus.codec import decode
from libs.common.events import BookSnapshot, Gap, Trade
from services.ingest.cli import app
from services.ingest.recording.normalize import Normalizer
from services.ingest.recording.tally import LOGGED_REJECTS


def _trade(number):
    payload = {"e": "trade", "T": 1700000000101, "s": "BTCUSDT", "t": number, "p": "42000.2", "q": "1.5", "m": False}
    return json.dumps({"stream": "btcusdt@trade", "data": payload})


def _depth(previous, last, native="BTCUSDT"):
    payload = {"e": "depthUpdate", "E": 1700000000123, "s": native, "U": previous + 1, "u": last, "pu": previous}
    return json.dumps({"stream": "x@depth@100ms", "data": payload | {"b": [], "a": []}})


def _file(tmp_path, *lines, name="frames.jsonl"):
    path = tmp_path / name
    path.write_text("\n".join(lines))
    return path


def _invoke(*args):
    return CliRunner().invoke(app, ["normalize", *map(str, args)])


def _summary(tmp_path, *lines, name="frames.jsonl"):
    normalizer = Normalizer("binance-usdm", [_file(tmp_path, *lines, name=name)])
    events = list(normalizer.run())
    return events, normalizer.summary()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--venue", "mtgox", "x"], "mtgox: unknown, one of binance-"),
        (["--venue", "okx", "no/such/file"], "no/such/file"),
        (["--venue", "okx", "no/such/x.ws.1.0"], "no/such"),
        (["--venue", "okx", "."], "Is a directory"),
        (["--venue", "okx", "--symbols", "btcusdt", "x"], "--symbols"),
        (["--venue", "okx", "--instruments", "no/such/file", "x"], "no/such/file"),
    ],
)
def test_wrong_usage_exits_2_with_one_line(args, message) -> None:
    result = _invoke(*args)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_a_file_damaged_in_the_middle_gives_what_was_readable(tmp_path) -> None:
    path = tmp_path / "damaged.gz"
    path.write_bytes(gzip.compress("\n".join(_trade(number) for number in range(50_000)).encode())[:-2000])
    result = _invoke("--venue", "binance-usdm", path)
    assert result.exit_code == 2
    assert "damaged.gz" in result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) > 1000
    assert all(isinstance(decode(line), Trade) for line in lines)


def test_a_summary_that_cannot_be_written_exits_2(tmp_path) -> None:
    result = _invoke("--venue", "binance-usdm", "--summary", tmp_path / "no" / "where", _file(tmp_path, _trade(1)))
    assert result.exit_code == 2


def test_bad_frames_are_counted_by_reason_and_the_rest_is_read(tmp_path, caplog) -> None:
    bad = ["{", "\x00", _trade(2).replace("42000.2", "NaN"), _trade(3).replace("BTCUSDT", "BTC"), "x" * (5 << 20)]
    events, summary = _summary(tmp_path, _trade(1), *bad, _trade(4), *["{"] * 30)
    assert [event.trade_id for event in events] == ["1", "4"]
    assert summary.rejects == {"decode": 32, "oversize": 1, "unknown_instrument": 1, "value": 1}
    said = [record.getMessage() for record in caplog.records]
    assert sum("decode" in text for text in said) == LOGGED_REJECTS + 1


def test_a_snapshot_goes_to_the_only_book_that_wants_one(tmp_path) -> None:
    answer = '{"lastUpdateId":15,"T":1700000000105,"bids":[["1","2"]],"asks":[["3","4"]]}'
    events, summary = _summary(tmp_path, _depth(10, 16), answer)
    assert [event.sequence for event in events] == [16]
    events, summary = _summary(tmp_path, _depth(10, 16), _depth(10, 16, "ETHUSDT"), answer)
    assert events == []
    assert summary.rejects == {"unexpected": 1}
    url = "https://fapi.binance.com/fapi/v1/depth?symbol=ETHUSDT&limit=1000 -> 1700000000.5: "
    events, _ = _summary(tmp_path, _depth(10, 16), _depth(10, 16, "ETHUSDT"), url + answer)
    assert [event.symbol for event in events] == ["ETH-USDT-PERP"]


def test_answers_that_are_no_books_are_passed_over_and_broken_catalogues_rejected(tmp_path) -> None:
    events, summary = _summary(
        tmp_path,
        "https://fapi.binance.com/fapi/v1/ticker -> 1700000000.5: {}",
        'https://fapi.binance.com/fapi/v1/exchangeInfo -> 1700000000.5: {"code":-1}',
        'https://fapi.binance.com/fapi/v1/exchangeInfo -> 1700000000.5: {"symbols":[]}',
        "https://fapi.binance.com/fapi/v1/depth?symbol=NOTHING -> 1700000000.5: {}",
    )
    assert events == []
    assert summary.rejects == {"error_frame": 1, "unexpected": 1}


def test_a_reconnection_ends_the_books_and_is_a_hole_in_everything(tmp_path) -> None:
    lines = [
        "wss://x.y/ws <-> 1700000000.5",
        f"1700000001.5: {_depth(10, 16)}",
        f"1700000001.6: {_trade(1)}",
        'https://x.y/fapi/v1/depth?symbol=BTCUSDT -> 1700000002.5: {"lastUpdateId":15,"bids":[],"asks":[]}',
        "wss://x.y/ws <-> 1700000003.5",
        f"1700000004.5: {_depth(16, 20)}",
    ]
    events, summary = _summary(tmp_path, *lines, name="r.ws.1.0")
    assert [type(event) for event in events] == [Trade, BookSnapshot, Gap, Gap]
    assert [(gap.stream, gap.cause, gap.from_ns, gap.event_ns) for gap in events[2:]] == [
        ("trades", "disconnect", 1_700_000_000_101_000_000, 1_700_000_003_500_000_000),
        ("books", "disconnect", 1_700_000_000_123_000_000, 1_700_000_003_500_000_000),
    ]
    assert (summary.gaps, summary.books_in_sync) == (2, [])
    assert summary.asked == {"SnapshotWanted": 2}


def test_a_symbol_that_is_not_in_the_file_is_named(tmp_path) -> None:
    result = _invoke("--venue", "binance-usdm", "--symbols", "X-USDT-PERP,BTC-USDT-PERP", _file(tmp_path, _trade(1)))
    assert result.exit_code == 0
    assert "nothing of X-USDT-PERP" in result.stderr


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path) -> None:
    path = _file(tmp_path, *(_trade(number) for number in range(20_000)))
    code = "from services.ingest.cli import app; app()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "normalize", "--venue", "binance-usdm", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"Traceback" not in errors


def test_spot_names_are_read_where_there_is_no_catalogue(tmp_path) -> None:
    result = _invoke("--venue", "binance-spot", _file(tmp_path, _trade(1)))
    assert result.exit_code == 0
    trade = decode(result.stdout.encode())
    assert isinstance(trade, Trade)
    assert (trade.venue, trade.symbol, trade.size) == ("binance-spot", "BTC-USDT", 1.5)


def test_coin_margined_contracts_want_their_catalogue(tmp_path) -> None:
    payload = {"e": "aggTrade", "T": 1700000000101, "s": "BTCUSD_PERP", "a": 7, "p": "40000", "q": "2", "f": 1, "l": 2}
    path = _file(tmp_path, json.dumps({"stream": "x", "data": payload | {"m": True}}))
    result = _invoke("--venue", "binance-coinm", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "rejects: unknown_instrument 1" in result.stderr
    filters = [{"filterType": "PRICE_FILTER", "tickSize": "0.1"}, {"filterType": "LOT_SIZE", "stepSize": "1"}]
    row = {
        "symbol": "BTCUSD_PERP",
        "contractType": "PERPETUAL",
        "contractStatus": "TRADING",
        "contractSize": 100,
        "baseAsset": "BTC",
        "quoteAsset": "USD",
        "filters": filters,
    }
    catalogue = _file(tmp_path, json.dumps({"symbols": [row]}), name="exchangeInfo.json")
    result = _invoke("--venue", "binance-coinm", "--instruments", catalogue, path)
    assert result.exit_code == 0
    trade = decode(result.stdout.encode())
    assert isinstance(trade, Trade)
    assert (trade.symbol, trade.size, trade.side.value) == ("BTC-USD-PERP", 0.005, "sell")  # 2 x 100 dollars at 40,000
