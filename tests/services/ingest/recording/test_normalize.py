"""Recordings of real exchanges normalise to the counts that others found in them, and to true books."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from libs.common.bus.codec import decode
from libs.common.events import BookDelta, BookSnapshot, Gap, MarketEvent, Origin, PositionSide, Trade
from libs.common.runtime.errors import InputError
from services.ingest.cli import app
from services.ingest.recording.normalize import Normalizer
from services.ingest.recording.tally import Summary

pytestmark = pytest.mark.recordings
USDM = "binance-usdm"


def _run(venue, *files, symbols=(), instruments=None) -> tuple[list[Any], Summary]:
    normalizer = Normalizer(venue, files, symbols)
    if instruments:
        normalizer.learn(instruments)
    return list(normalizer.run()), normalizer.summary()


def _books(events) -> Iterator[tuple[MarketEvent, dict[float, float], dict[float, float]]]:
    """Follow one symbol's book as a reader of the topic would."""
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    sequence = None
    for event in events:
        if isinstance(event, BookSnapshot):
            bids, asks, sequence = dict(event.bids), dict(event.asks), event.sequence
        elif isinstance(event, BookDelta):
            assert sequence is not None
            assert event.first_sequence == sequence + 1
            for side, levels in ((bids, event.bids), (asks, event.asks)):
                for price, size in levels:
                    if size:
                        side[price] = size
                    else:
                        side.pop(price, None)
            sequence = event.last_sequence
        yield event, bids, asks


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    with gzip.open(path, "rt") as file:
        for line in file:
            stamp, _, frame = line.partition(" ")
            yield stamp, json.loads(frame)


@pytest.fixture(scope="module")
def day(recordings: Path):
    return _run(USDM, recordings / "raw/binance_usdm/2024-08-08_btcusdt.gz")


def test_a_day_of_binance_usdm(day) -> None:
    events, summary = day
    assert summary.trades == {"buy": 9_616, "sell": 11_697}
    assert summary.frames == 93_954
    assert (summary.gaps, summary.books_crossed, summary.rejects) == (0, 0, {})
    assert summary.books_in_sync == ["BTC-USDT-PERP"]
    assert summary.ignored == 66_089  # bookTicker
    assert {event.origin for event in events} == {Origin.RECORDED}
    ids = [int(event.trade_id) for event in events if isinstance(event, Trade)]
    assert ids == list(range(ids[0], ids[0] + 21_313))  # contiguous, as the venue counts


def test_every_trade_is_the_one_that_was_recorded(day, recordings: Path) -> None:
    raw = [
        (
            frame["data"]["T"] * 1_000_000,
            int(stamp),
            float(frame["data"]["p"]),
            float(frame["data"]["q"]),
            "sell" if frame["data"]["m"] else "buy",
        )
        for stamp, frame in _lines(recordings / "raw/binance_usdm/2024-08-08_btcusdt.gz")
        if frame.get("stream") == "btcusdt@trade"
    ]
    ours = [
        (event.event_ns, event.received_ns, event.price, event.size, event.side.value)
        for event in day[0]
        if isinstance(event, Trade)
    ]
    assert ours == raw


def test_the_best_prices_are_those_of_the_venues_own_ticker(day, recordings: Path) -> None:
    tickers = {
        frame["data"]["u"]: frame["data"]
        for _, frame in _lines(recordings / "raw/binance_usdm/2024-08-08_btcusdt.gz")
        if frame.get("stream") == "btcusdt@bookTicker"
    }
    compared = 0
    for event, bids, asks in _books(day[0]):
        ticker = tickers.get(event.last_sequence) if isinstance(event, BookDelta) else None
        if ticker:
            compared += 1
            bid, ask = max(bids), min(asks)
            assert (bid, bids[bid]) == (float(ticker["b"]), float(ticker["B"]))
            assert (ask, asks[ask]) == (float(ticker["a"]), float(ticker["A"]))
    assert compared > 100


def test_the_final_book_is_what_a_naive_replay_gives(day, recordings: Path) -> None:
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    waiting: list[Any] = []
    last = None

    def take(depth) -> None:
        for side, levels in ((bids, depth["b"]), (asks, depth["a"])):
            side.update((float(price), float(size)) for price, size in levels)

    for _, frame in _lines(recordings / "raw/binance_usdm/2024-08-08_btcusdt.gz"):
        if "lastUpdateId" in frame:
            last = frame["lastUpdateId"]
            bids = {float(price): float(size) for price, size in frame["bids"]}
            asks = {float(price): float(size) for price, size in frame["asks"]}
            for depth in waiting:
                if depth["u"] >= last:
                    take(depth)
        elif frame["stream"].startswith("btcusdt@depth"):
            take(frame["data"]) if last else waiting.append(frame["data"])
    *_, (_, our_bids, our_asks) = _books(day[0])
    assert our_bids == {price: size for price, size in bids.items() if size}
    assert our_asks == {price: size for price, size in asks.items() if size}


def test_two_files_of_one_session_in_order(recordings: Path) -> None:
    folder = recordings / "raw/binance_usdm"
    events, summary = _run(USDM, folder / "2023-04-04_btcusdt.dat.gz", folder / "2023-04-05_btcusdt.dat.gz")
    assert sum(summary.trades.values()) + summary.non_market_trades == 12_935
    assert summary.non_market_trades == 1  # the insurance fund's
    assert (summary.gaps, summary.books_crossed, summary.rejects) == (0, 0, {})
    assert summary.events["mark_price"] == summary.events["funding_rate"] == 514
    assert events[0].received_ns // 10**15 == 1680  # microseconds were understood
    *_, (last, bids, asks) = _books(events)
    assert last.symbol == "BTC-USDT-PERP"
    assert max(bids) < min(asks)


def test_the_second_file_alone_never_shows_a_book(recordings: Path) -> None:
    events, summary = _run(USDM, recordings / "raw/binance_usdm/2023-04-05_btcusdt.dat.gz")
    assert summary.books_in_sync == []
    assert not any(isinstance(event, BookSnapshot | BookDelta) for event in events)
    assert summary.asked["SnapshotWanted"] > 1
    assert sum(summary.trades.values()) == 10_737


def test_snapshots_beside_the_recording_are_found(recordings: Path) -> None:
    folder = recordings / "raw/binance_usdm"
    events, summary = _run(USDM, folder / "2021-07-22_BINANCE_FUTURES.ws.1.0")
    assert sum(summary.trades.values()) == 91
    assert summary.events["book_snapshot"] == 4
    assert (summary.gaps, summary.books_crossed, summary.rejects) == (0, 0, {})
    assert summary.books_in_sync == [f"{base}-USDT-PERP" for base in ("AKRO", "CTK", "KEEP", "SUSHI")]
    both = _run(USDM, *(folder / f"2021-07-22_BINANCE_FUTURES.{part}" for part in ("ws.1.0", "http.0.0")))
    assert both[0] == events
    only, _ = _run(USDM, folder / "2021-07-22_BINANCE_FUTURES.ws.1.0", symbols=("CTK-USDT-PERP",))
    assert only == [event for event in events if event.symbol == "CTK-USDT-PERP"]


def test_single_liquidations_and_early_frames(recordings: Path) -> None:
    folder = recordings / "raw/binance_usdm"
    events, _ = _run(USDM, folder / "forceOrder_frames.jsonl")
    assert [(event.symbol, event.liquidated, event.price, event.size) for event in events] == [
        ("BTC-USDT-PERP", PositionSide.LONG, 82651.9, 0.19),
        ("XRP-USDT-PERP", PositionSide.SHORT, 1.4912, 127.2),
        ("MANTA-USDT-PERP", PositionSide.LONG, 0.0722187, 2049.1),
        ("RAYSOL-USDT-PERP", PositionSide.LONG, 1.3911902, 70.5),
        ("BTC-USDT-PERP", PositionSide.SHORT, 4706.04, 0.014),
    ]
    _, summary = _run(USDM, folder / "tardis-node_single_frames.jsonl")
    assert summary.rejects == {}
    assert summary.non_market_trades == 1
    assert "BTC-BUSD-20210129" in summary.symbols


def test_okx_of_2022_reproduces_every_checksum(recordings: Path) -> None:
    events, summary = _run("okx", recordings / "raw/okx/2022-05-13_OKX.ws.1.0")
    assert sum(summary.trades.values()) == 74
    assert summary.checksums == {"verified": 290, "failed": 0}
    assert summary.frames == summary.frames_by_kind["ws"] == 410
    assert summary.symbols == ["BTC-USD-20220527", "BTC-USDT", "UNI-USD-PERP"]
    assert (summary.gaps, summary.books_crossed, summary.rejects) == (0, 0, {})
    for symbol in summary.symbols:
        *_, (_, bids, asks) = _books(event for event in events if event.symbol == symbol)
        assert max(bids) < min(asks)


def test_a_recorded_contract_is_counted_in_coins(recordings: Path) -> None:
    path = recordings / "raw/okx/2022-05-13_OKX.ws.1.0"
    raw = re.search(rb'"instId":"BTC-USD-220527","tradeId":"(\d+)","px":"([\d.]+)","sz":"(\d+)"', path.read_bytes())
    assert raw
    trade_id, price, contracts = raw.groups()
    events, _ = _run("okx", path, symbols=("BTC-USD-20220527",))
    trade = next(event for event in events if isinstance(event, Trade) and event.trade_id == trade_id.decode())
    assert trade.size == pytest.approx(int(contracts) * 100 / float(price), rel=1e-12)


def test_a_lost_frame_of_a_real_recording_silences_the_book(recordings: Path, tmp_path: Path) -> None:
    lines = (recordings / "raw/okx/2026-08-24_okx_books.jsonl").read_bytes().splitlines()
    path = tmp_path / "gap.jsonl"
    path.write_bytes(b"\n".join(lines[:4] + lines[5:]))
    events, summary = _run("okx", path)
    assert [type(event) for event in events] == [BookSnapshot, BookDelta, BookDelta, Gap]
    assert (summary.gaps, summary.books_in_sync) == (1, [])
    assert summary.asked == {"Acknowledged": 1, "Resubscribe": 1}


@pytest.mark.parametrize(
    ("name", "events", "rejects"),
    [
        ("2026-08-24_okx_books.jsonl", {"book_delta": 6, "book_snapshot": 1}, {}),
        ("2023-05-27_OKCOIN.ws.1.0", {"book_snapshot": 4, "trade": 4}, {}),
        ("2026-09-26_okx_trades_bbo_head.tsv", {}, {"unknown_instrument": 1}),
        ("2026-09-30_okx_perp_stream.tsv", {}, {"unknown_instrument": 16}),
        ("liquidation_orders_frames.jsonl", {}, {"unknown_instrument": 3}),
        ("tardis-node_okx_v5_single_frames.jsonl", {"trade": 1}, {"unknown_instrument": 11}),
    ],
)
def test_contracts_of_unknown_size_are_refused_not_guessed(recordings: Path, name, events, rejects) -> None:
    _, summary = _run("okx", recordings / "raw/okx" / name)
    assert (summary.events, summary.rejects) == (events, rejects)


def test_a_catalogue_makes_contracts_readable(recordings: Path, tmp_path: Path) -> None:
    folder = recordings / "raw/okx"
    catalogue = folder / "2022-05-13_OKX.0.gz"
    _, summary = _run("okx", folder / "2026-09-30_okx_perp_stream.tsv", instruments=catalogue)
    assert summary.events == {"funding_rate": 4, "mark_price": 6, "open_interest": 6}
    assert summary.rejects == {}
    plain = tmp_path / "instruments.json"
    row = {
        "instType": "SWAP",
        "instId": "CELO-USDT-SWAP",
        "ctVal": "1",
        "ctMult": "1",
        "ctValCcy": "CELO",
        "ctType": "linear",
        "settleCcy": "USDT",
        "state": "live",
        "tickSz": "0.1",
        "lotSz": "1",
    }
    plain.write_text(json.dumps({"code": "0", "data": [row]}, indent=1))
    events, summary = _run("okx", folder / "liquidation_orders_frames.jsonl", instruments=plain)
    assert summary.rejects == {"unknown_instrument": 2}
    assert [(event.symbol, event.size, event.liquidated) for event in events] == [
        ("CELO-USDT-PERP", 19979.0, PositionSide.SHORT)
    ]
    for text in ("{}", '{"code":"0","data":[]}'):
        plain.write_text(text)
        with pytest.raises(InputError, match="instruments"):
            _run("okx", folder / "liquidation_orders_frames.jsonl", instruments=plain)


def test_the_command_prints_events_and_counts(recordings: Path, tmp_path: Path) -> None:
    path, summary = recordings / "raw/okx/2022-05-13_OKX.ws.1.0", tmp_path / "summary.json"
    runs = [
        CliRunner().invoke(app, ["normalize", "--venue", "okx", "--summary", str(summary), str(path)]) for _ in range(2)
    ]
    assert [run.exit_code for run in runs] == [0, 0]
    assert runs[0].stdout == runs[1].stdout
    events = [decode(line) for line in runs[0].stdout.splitlines()]
    assert sum(isinstance(event, Trade) for event in events) == 74
    assert "74 trades (26 taker sells, 48 taker buys)" in runs[0].stderr
    assert json.loads(summary.read_bytes())["checksums"] == {"verified": 290, "failed": 0}
