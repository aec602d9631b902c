"""Recordings of Binance spot normalise to the counts that others found, to true books, to the venue's own candles."""

import datetime as dt
import gzip
import json
from typing import Any

import pyarrow.feather
import pytest

from libs.common.events import BookDelta, BookSnapshot, Candle, Source, Timeframe, Trade
from services.ingest.recording.normalize import Normalizer
from services.ingest.recording.tally import Summary
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine

pytestmark = pytest.mark.recordings
SESSION = ("2024-08-08_btcusdt.gz", "2024-08-09_btcusdt.gz")


def _run(recordings, *names) -> tuple[list[Any], Summary]:
    normalizer = Normalizer("binance-spot", [recordings / "raw/binance_spot" / name for name in names])
    return list(normalizer.run()), normalizer.summary()


def _frames(recordings, *names):
    for name in names:
        with gzip.open(recordings / "raw/binance_spot" / name, "rt") as file:
            for line in file:
                yield json.loads(line.partition(" ")[2])


def _followed(events):
    """Follow each symbol's book as a reader of the topic would; the sides after each of its events."""
    books: dict[str, tuple[dict[float, float], dict[float, float], int]] = {}
    for event in events:
        if isinstance(event, BookSnapshot):
            books[event.symbol] = (dict(event.bids), dict(event.asks), event.sequence)
        elif isinstance(event, BookDelta):
            bids, asks, sequence = books[event.symbol]
            assert event.first_sequence == sequence + 1
            for side, levels in ((bids, event.bids), (asks, event.asks)):
                for price, size in levels:
                    side.pop(price, None)
                    if size:
                        side[price] = size
            books[event.symbol] = (bids, asks, event.last_sequence)
        else:
            continue
        bids, asks, sequence = books[event.symbol]
        assert max(bids) < min(asks)
        yield event, bids, asks


@pytest.fixture(scope="module")
def session(recordings):
    return _run(recordings, *SESSION)


def test_a_session_over_midnight(session, recordings) -> None:
    events, summary = session
    assert summary.trades == {"buy": 9_093, "sell": 10_811}
    assert summary.frames == 41_249 + 58_325
    assert summary.ignored == 73_174  # bookTicker
    assert (summary.gaps, summary.books_crossed, summary.stale, summary.rejects) == (0, 0, 0, {})
    assert summary.symbols == summary.books_in_sync == ["BTC-USDT"]
    ids = [int(event.trade_id) for event in events if isinstance(event, Trade)]
    assert ids == list(range(ids[0], ids[0] + 19_904))  # contiguous, as the venue counts
    depths = [frame["data"] for frame in _frames(recordings, *SESSION) if "@depth" in frame.get("stream", "")]
    (snapshot,) = (event for event in events if isinstance(event, BookSnapshot))
    deltas = [event for event in events if isinstance(event, BookDelta)]
    joined = next(number for number, depth in enumerate(depths) if depth["u"] == snapshot.sequence)
    assert len(depths) == 6_495
    assert [delta.last_sequence for delta in deltas] == [depth["u"] for depth in depths[joined + 1 :]]
    assert [delta.first_sequence for delta in deltas] == [depth["U"] for depth in depths[joined + 1 :]]


def test_the_trades_make_the_venues_own_candles(session, recordings) -> None:
    engine = Engine(EngineConfig(timeframes=(Timeframe.M5,)))
    ours = {
        output.open_ns: (output.open, output.high, output.low, output.close, output.volume)
        for event in session[0]
        for output in engine.apply(event)
        if isinstance(output, Candle)
        and output.timeframe is Timeframe.M5
        and output.source is Source.TRADES
        and output.complete
    }
    table = pyarrow.feather.read_table(recordings / "ohlcv/binance_spot_2024/BTC_USDT-5m.feather")
    theirs = {int(row["date"].timestamp()) * 10**9: row for row in table.to_pylist()}
    begin = dt.datetime(2024, 8, 8, 23, 55, tzinfo=dt.UTC)
    opens = [int(begin.timestamp()) * 10**9, int((begin + dt.timedelta(minutes=5)).timestamp()) * 10**9]
    assert list(ours) == opens
    for open_ns in opens:
        assert ours[open_ns] == tuple(theirs[open_ns][name] for name in ("open", "high", "low", "close", "volume"))


def test_the_best_prices_are_those_of_the_venues_own_ticker(session, recordings) -> None:
    tickers = {
        frame["data"]["u"]: frame["data"]
        for frame in _frames(recordings, *SESSION)
        if frame.get("stream") == "btcusdt@bookTicker"
    }
    compared = 0
    for event, bids, asks in _followed(session[0]):
        ticker = tickers.get(event.last_sequence) if isinstance(event, BookDelta) else None
        if ticker:
            compared += 1
            bid, ask = max(bids), min(asks)
            assert (bid, bids[bid]) == (float(ticker["b"]), float(ticker["B"]))
            assert (ask, asks[ask]) == (float(ticker["a"]), float(ticker["A"]))
    assert compared > 100


def test_the_second_file_alone_never_shows_a_book(recordings) -> None:
    events, summary = _run(recordings, SESSION[1])
    assert summary.books_in_sync == []
    assert {type(event) for event in events} == {Trade}


@pytest.mark.parametrize(
    ("name", "frames", "trades", "depths", "ignored", "books"),
    [
        ("2021-04-04_BINANCE-ee25be.0.gz", 4_716 + 3, 1_910, 2_688, 118, ["BTC-USDT", "DOT-USDT", "ETH-USDT"]),
        ("2021-10-12_BINANCE.ws.1.0", 265 + 4, 2, 177, 86, ["BLZ-ETH", "LRC-BTC", "NKN-USDT", "RUNE-EUR"]),
    ],
)
def test_aggregates_and_books_of_2021(recordings, name, frames, trades, depths, ignored, books) -> None:
    raw = (recordings / "raw/binance_spot" / name).read_bytes()
    raw = gzip.decompress(raw) if name.endswith(".gz") else raw
    assert (raw.count(b'"e":"aggTrade"'), raw.count(b'"e":"depthUpdate"')) == (trades, depths)
    events, summary = _run(recordings, name)
    assert (summary.frames, sum(summary.trades.values()), summary.ignored) == (frames, trades, ignored)
    assert (summary.gaps, summary.books_crossed, summary.stale, summary.rejects) == (0, 0, 0, {})
    assert summary.symbols == summary.books_in_sync == books
    assert summary.events["book_snapshot"] == summary.asked["SnapshotWanted"] == len(books)
    last = {event.symbol: event for event, _, _ in _followed(events)}
    for symbol, event in last.items():
        native = symbol.replace("-", "").encode()
        ids = [json.loads(part.split(b",", 1)[0]) for part in raw.split(b'"s":"%s","U":' % native)[1:]]
        assert len(ids) == raw.count(b'"s":"%s","U":' % native)
        sequence = event.sequence if isinstance(event, BookSnapshot) else event.last_sequence
        assert sequence >= ids[-1]  # every change up to the last one is in the book
