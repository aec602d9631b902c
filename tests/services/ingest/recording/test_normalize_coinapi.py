"""Recorded and documented messages of CoinAPI, file by file, and what becomes of each."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from libs.common.events import BookSnapshot, Origin, Side, Trade
from libs.common.events.symbols import spot
from services.ingest.cli import app
from services.ingest.recording.normalize import Normalizer
from services.ingest.recording.recordings import read
from services.ingest.recording.tally import Summary
from services.ingest.venues import Coinapi
from services.ingest.venues.terms import Instrument

BTC = Instrument(symbol="BTC-USD", native="COINBASE_SPOT_BTC_USD", kind=spot("BTC", "USD"), tick=0.01, lot=1e-8)


def _run(path: Path) -> tuple[list[Any], Summary]:
    normalizer = Normalizer("coinapi", [path])
    return list(normalizer.run()), normalizer.summary()


@pytest.mark.recordings
def test_the_recorded_trade(recordings: Path) -> None:
    (trade,), summary = _run(recordings / "raw/coinapi/ws_trade.json")
    assert isinstance(trade, Trade)
    assert (trade.price, trade.size, trade.side) == (84520.02, 0.00000004, Side.SELL)
    assert trade.event_ns % 1_000_000_000 == 65_618_000
    assert (summary.trades, summary.rejects) == ({"buy": 0, "sell": 1}, {})


@pytest.mark.recordings
def test_the_documented_book_is_one_message_over_many_lines(recordings: Path) -> None:
    (book,), summary = _run(recordings / "raw/coinapi/documented_ws_book.json")
    assert isinstance(book, BookSnapshot)
    assert (book.bids[0], book.asks[0], book.sequence) == ((456.10, 42.0), (456.35, 123.0), 2323346)
    assert (summary.frames, summary.books_in_sync) == (1, ["BTC-USD"])


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["ws_ohlcv.json", "documented_ws_quote.json"])
def test_candles_and_quotes_are_ignored(recordings: Path, name: str) -> None:
    events, summary = _run(recordings / "raw/coinapi" / name)
    assert (events, summary.frames, summary.ignored, summary.rejects) == ([], 1, 1, {})


@pytest.mark.recordings
def test_the_recorded_answer_is_a_page_of_trades(recordings: Path) -> None:
    body = (recordings / "raw/coinapi/rest_trades.json").read_bytes()
    (trade,) = Coinapi().trades(BTC, "", body, 1, Origin.RECORDED)
    assert (trade.price, trade.size, trade.side) == (85988.49, 0.01, Side.BUY)
    assert trade.trade_id == "f84a79ad-ea86-4527-b1f1-e9d8bd7ed004"
    events, summary = _run(recordings / "raw/coinapi/rest_trades.json")
    assert (events, summary.rejects) == ([], {"value": 1})  # an answer is no message of the socket


def test_a_document_over_many_lines_is_one_frame_and_lines_are_many(tmp_path: Path) -> None:
    said = {"type": "hearbeat", "nested": [1, {"a": 2}]}
    one, many = tmp_path / "one.json", tmp_path / "many.json"
    one.write_bytes(msgspec.json.format(msgspec.json.encode(said), indent=2))
    many.write_bytes(msgspec.json.encode(said) + b"\n" + msgspec.json.encode(said) + b"\n")
    (frame,) = read(one)
    assert msgspec.json.decode(frame.data) == said
    assert len(list(read(many))) == 2


def test_the_catalogue_gives_contracts_their_size(tmp_path: Path) -> None:
    listing = {
        "symbol_id": "OKEX_PERP_ETH_USDT",
        "exchange_id": "OKEX",
        "symbol_type": "PERPETUAL",
        "asset_id_base": "ETH",
        "asset_id_quote": "USDT",
        "contract_unit": 0.1,
        "contract_unit_asset": "ETH",
    }
    trade = {
        "type": "trade",
        "symbol_id": "OKEX_PERP_ETH_USDT",
        "sequence": 1,
        "time_exchange": "2026-09-25T01:29:06.0656180Z",
        "uuid": "u1",
        "price": 4000,
        "size": 25,
        "taker_side": "BUY",
    }
    catalogue, recording, summary = tmp_path / "symbols.json", tmp_path / "frames.jsonl", tmp_path / "summary.json"
    catalogue.write_bytes(msgspec.json.encode([listing]))
    unsided = msgspec.json.encode(trade | {"sequence": 2, "uuid": "u2", "taker_side": "UNKNOWN"})
    recording.write_bytes(msgspec.json.encode(trade) + b"\n" + unsided + b"\n")
    said = CliRunner().invoke(
        app,
        ["normalize", str(recording), "--venue", "coinapi", "--instruments", str(catalogue), "--summary", str(summary)],
    )
    assert said.exit_code == 0, said.output
    assert '"symbol":"ETH-USDT-PERP"' in said.stdout
    assert '"size":2.5' in said.stdout
    counts = msgspec.json.decode(summary.read_bytes())
    assert (counts["unsided_trades"], counts["trades"]) == (1, {"buy": 1, "sell": 0})
