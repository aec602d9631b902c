"""Recordings of Bybit normalise to the counts that others found in them, and to what a naive replay gives."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from libs.common.events import (
    BookDelta,
    BookSnapshot,
    FundingRate,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Origin,
    PositionSide,
    Trade,
)
from services.ingest.recording.normalize import Normalizer
from services.ingest.recording.tally import Summary

pytestmark = pytest.mark.recordings
SYMBOLS = {
    ("linear", "BTCUSDT"): "BTC-USDT-PERP",
    ("linear", "ETHUSDT"): "ETH-USDT-PERP",
    ("linear", "SOLUSDT"): "SOL-USDT-PERP",
    ("linear", "DOGEUSDT"): "DOGE-USDT-PERP",
    ("spot", "BTCUSDT"): "BTC-USDT",
    ("spot", "ETHUSDT"): "ETH-USDT",
}


def _run(*files, symbols=()) -> tuple[list[Any], Summary]:
    normalizer = Normalizer("bybit", files, symbols)
    return list(normalizer.run()), normalizer.summary()


@pytest.fixture(scope="module")
def path(recordings: Path) -> Path:
    return recordings / "raw/bybit/2026-08-09_BYBIT.jsonl.zst"


@pytest.fixture(scope="module")
def session(path):
    return _run(path)


@pytest.fixture(scope="module")
def raw(path) -> list[tuple[str, Any]]:
    """(category, frame) of everything received, by no code of ours."""
    categories, frames = {}, []
    with zstandard.open(path, "rb") as file:
        for line in io.TextIOWrapper(file):
            entry = json.loads(line)
            if entry["t"] == "connect":
                categories[entry["conn"]] = entry["addr"].rpartition("/")[2]
            elif entry["t"] == "recv":
                frames.append((categories[entry["conn"]], json.loads(entry["data"])))
    return frames


def _of(raw, channel):
    return [(category, frame) for category, frame in raw if frame.get("topic", "").startswith(channel)]


def test_two_sockets_in_one_file(session) -> None:
    events, summary = session
    assert summary.frames_by_kind == {"catalogue": 2, "connect": 2, "sent": 24, "ws": 3227}
    assert sum(summary.trades.values()) == 347
    assert (summary.events["book_snapshot"], summary.events["book_delta"]) == (6, 2142)
    assert (summary.gaps, summary.books_crossed, summary.stale, summary.rejects) == (0, 0, 0, {})
    assert summary.books_in_sync == summary.symbols == sorted(SYMBOLS.values())
    assert summary.asked == {"Acknowledged": 24}
    assert summary.ignored == 96 + 81  # candles, and the tickers of spot
    assert {event.origin for event in events} == {Origin.RECORDED}


def test_every_trade_is_the_one_that_was_recorded(session, raw) -> None:
    recorded = [
        (SYMBOLS[category, row["s"]], row["T"] * 10**6, float(row["p"]), float(row["v"]), row["S"].lower(), row["i"])
        for category, frame in _of(raw, "publicTrade")
        for row in frame["data"]
    ]
    assert [
        (event.symbol, event.event_ns, event.price, event.size, event.side.value, event.trade_id)
        for event in session[0]
        if isinstance(event, Trade)
    ] == recorded


def test_books_are_those_of_a_naive_replay_at_every_step(session, raw) -> None:
    ours: dict[str, tuple[dict[float, float], dict[float, float], int]] = {}
    theirs: dict[str, tuple[dict[float, float], dict[float, float]]] = {}
    pushes = iter(_of(raw, "orderbook"))
    for event in session[0]:
        if not isinstance(event, BookSnapshot | BookDelta):
            continue
        category, frame = next(pushes)
        data = frame["data"]
        symbol = SYMBOLS[category, data["s"]]
        if frame["type"] == "snapshot":
            theirs[symbol] = ({}, {})
        for side, levels in zip(theirs[symbol], (data["b"], data["a"]), strict=True):
            side.update((float(price), float(size)) for price, size in levels)
            for price in [price for price, size in side.items() if not size]:
                del side[price]
        if isinstance(event, BookSnapshot):
            ours[symbol] = dict(event.bids), dict(event.asks), event.sequence
        else:
            bids, asks, sequence = ours[symbol]
            assert event.first_sequence == sequence + 1
            for side, levels in ((bids, event.bids), (asks, event.asks)):
                side.update(levels)
                for price, size in levels:
                    if not size:
                        side.pop(price, None)
            ours[symbol] = bids, asks, event.last_sequence
        assert (event.symbol, event.event_ns) == (symbol, frame["cts"] * 10**6)
        assert ours[symbol] == (*theirs[symbol], data["u"])
        assert max(ours[symbol][0]) < min(ours[symbol][1])
    assert next(pushes, None) is None


def test_tickers_are_merged_as_a_naive_reader_would(session, raw) -> None:
    state: dict[str, dict[str, str]] = {}
    marks, rates, interests = [], [], []
    for category, frame in _of(raw, "tickers"):
        if category == "spot":
            continue
        said = frame["data"]
        symbol = SYMBOLS[category, said["symbol"]]
        now = state[symbol] = said if frame["type"] == "snapshot" else state[symbol] | said
        if "markPrice" in said or "indexPrice" in said:
            marks.append((symbol, frame["ts"] * 10**6, float(now["markPrice"]), float(now["indexPrice"])))
        if "fundingRate" in said:
            rates.append((symbol, float(now["fundingRate"]), int(now["nextFundingTime"]) * 10**6, 8 * 3600))
        if "openInterest" in said:
            both, one, worth = (
                float(now[name]) for name in ("openInterest", "singleOpenInterest", "singleOpenInterestValue")
            )
            assert one == pytest.approx(both / 2, rel=1e-7)  # the venue rounds to a step
            interests.append((symbol, one, worth))
    events = session[0]
    assert [
        (one.symbol, one.event_ns, one.price, one.index_price) for one in events if isinstance(one, MarkPrice)
    ] == marks
    assert [
        (one.symbol, one.rate, one.next_funding_ns, one.interval_s) for one in events if isinstance(one, FundingRate)
    ] == rates
    ours = [(one.symbol, one.base, one.notional) for one in events if isinstance(one, OpenInterest)]
    assert ours == interests
    assert (len(marks), len(rates), len(interests)) == (138, 6, 20)


def test_only_the_symbols_that_were_asked_for(path) -> None:
    events, summary = _run(path, symbols=("BTC-USDT", "SOL-USDT-PERP"))
    assert summary.symbols == summary.books_in_sync == ["BTC-USDT", "SOL-USDT-PERP"]
    assert sum(isinstance(event, Trade) for event in events) == 11 + 165


def test_single_frames_of_liquidations(recordings: Path) -> None:
    events, summary = _run(recordings / "raw/bybit/liquidation_frames.jsonl")
    assert summary.rejects == {}
    long, short = PositionSide.LONG, PositionSide.SHORT
    assert [(event.symbol, event.liquidated, event.price, event.size) for event in events] == [
        ("BTC-USDT-PERP", long, 82396.9, 0.006),
        ("BTC-USDT-PERP", long, 82394.3, 0.038),
        ("STRK-USDT-PERP", long, 0.05165, 2084.9),
        ("GALA-USDT-PERP", long, 0.03803, 1637.0),
        ("XRP-USD-PERP", short, 0.5149, pytest.approx(13_495.82, abs=0.01)),  # 6,949 dollars
        ("PIPPIN-USDT-PERP", short, 0.02456, 2846.0),
    ]


def test_single_frames_of_several_years(recordings: Path) -> None:
    events, summary = _run(recordings / "raw/bybit/tardis-node_bybit_v5_single_frames.jsonl")
    assert summary.events == {"funding_rate": 3, "liquidation": 3, "mark_price": 2, "open_interest": 3, "trade": 4}
    assert summary.rejects == {"unknown_instrument": 2}  # BTCUSDU23: its day is in no name
    btc = [event for event in events if isinstance(event, Trade) and event.symbol == "BTC-USD-PERP"]
    assert sum(trade.notional for trade in btc) == pytest.approx(5823 + 3 + 5593)
    assert sum(isinstance(event, Liquidation) for event in events) == 3
