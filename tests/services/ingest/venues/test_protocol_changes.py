"""Each row of "Protocols of other years" in docs/recordings.md: frames of before and after, read by one parser.

Frames are recorded ones, else the vendors' documented ones; a session reads them as `csx ingest normalize` does.
"""

import json
from pathlib import Path
from typing import Any

import pytest

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
from libs.common.events.symbols import parse
from services.ingest.recording.names import NAMES, NamedInstruments
from services.ingest.recording.normalize import RECORDED
from services.ingest.venues.terms import Acknowledged, Instrument, Plan, Rotate
from services.ingest.venues.venue import Session

ANY = Plan(url="", symbols=(), streams=())


def _instrument(symbol, native, face=1.0) -> Instrument:
    kind = parse(symbol)
    return Instrument(
        symbol=symbol, native=native, kind=kind, tick=0.1, lot=0.1, contract_size=face, inverse=kind.inverse
    )


OKX = {
    one.native: one
    for one in (
        _instrument("BTC-USDT-PERP", "BTC-USDT-SWAP", 0.01),
        _instrument("WNCG-USDT-PERP", "WNCG-USDT-SWAP"),
        _instrument("FIL-USDT-20220325", "FIL-USDT-220325", 0.1),
        _instrument("XRP-USD-20230929", "XRP-USD-230929", 10.0),
    )
}


def _session(venue, known=None) -> Session:
    instruments = NamedInstruments(NAMES[venue])
    instruments.learn(known or (OKX if venue == "okx" else {}))
    return RECORDED[venue]().session(ANY, instruments, Origin.RECORDED)


def _read(session, *frames):
    return [item for one in frames for item in session.receive(json.dumps(one).encode(), 5)]


def _recorded(folder: Path, name: str, *parts: str) -> list[Any]:
    """Return the recorded frames that hold all of `parts`."""
    lines = (folder / "raw" / name).read_text().splitlines()
    found = [json.loads(line) for line in lines if all(part in line for part in parts)]
    assert found
    return found


class TestBinance:
    def test_aggregates_of_2019_have_no_id_of_their_own(self, recordings: Path) -> None:
        (frame,) = _recorded(recordings, "binance_usdm/tardis-node_single_frames.jsonl", "@aggTrade")
        (trade,) = _read(_session("binance-usdm"), frame)
        assert (trade.trade_id, trade.price, trade.size) == ("181349-181349", 10223.74, 0.236)

    def test_single_trades_of_2019_do_not_say_their_kind_and_are_market_trades(self, recordings: Path) -> None:
        frames = _recorded(recordings, "binance_usdm/tardis-node_single_frames.jsonl", "@trade")
        session = _session("binance-usdm")
        assert [trade.trade_id for trade in _read(session, *frames)] == ["10934580", "173525189"]
        assert session.checks.non_market == 1  # of 2020, which says INSURANCE_FUND

    def test_marks_of_2019_have_no_index_and_of_2026_an_average_that_is_not_the_price(self, recordings: Path) -> None:
        name = "binance_usdm/tardis-node_single_frames.jsonl"
        (old,) = _recorded(recordings, name, '"btcusdt@markPrice"')
        mark, funding = _read(_session("binance-usdm"), old)
        assert (mark.price, mark.index_price, funding.rate) == (8291.34697815, None, 0.0001)
        new = {"e": "markPriceUpdate", "E": 1787492348000, "s": "BTCUSDT", "p": "11794.15", "ap": "11800.00"}
        new |= {"i": "11784.62", "P": "11784.25", "r": "0.00038167", "T": 1787500800000, "st": 1}
        mark, funding = _read(_session("binance-usdm"), new)
        assert (mark.price, mark.index_price, funding.rate) == (11794.15, 11784.62, 0.00038167)

    def test_the_size_of_an_aggregate_counts_improved_prices_with_and_without_nq(self) -> None:
        old = {"e": "aggTrade", "E": 1591261134288, "a": 424951, "s": "BTCUSDT", "p": "9643.5", "q": "2"}
        old |= {"f": 606073, "l": 606073, "T": 1591261134199, "m": False}
        new = old | {"a": 424952, "nq": "0.5"}
        assert [trade.size for trade in _read(_session("binance-usdm"), old, new)] == [2.0, 2.0]

    def test_liquidations_with_and_without_the_kind_of_their_margin(self, recordings: Path) -> None:
        frames = _recorded(recordings, "binance_usdm/forceOrder_frames.jsonl", '"BTCUSDT"')
        new, old = (one["data"]["o"] for one in frames)
        assert ("st" in new, "st" in old) == (True, False)
        events = _read(_session("binance-usdm"), *frames)
        assert [(type(one), one.liquidated, one.size) for one in events] == [
            (Liquidation, PositionSide.LONG, 0.19),
            (Liquidation, PositionSide.SHORT, 0.014),
        ]
        foreign = json.loads(json.dumps(frames[0]).replace('"st": 1', '"st": 2'))
        session = _session("binance-usdm")
        assert _read(session, foreign) == []  # COIN-M on a stream of all markets
        assert session.checks.ignored == 1

    def test_one_connection_before_the_routes_and_two_behind_them_say_the_same(self) -> None:
        trade = {"e": "aggTrade", "E": 1787492348372, "a": 5, "s": "BTCUSDT", "p": "80000.0", "q": "40"}
        trade |= {"f": 7, "l": 9, "T": 1787492348362, "m": True}
        depth = {"e": "depthUpdate", "E": 1787492348372, "T": 1787492348370, "s": "BTCUSDT", "U": 157, "u": 160}
        depth |= {"pu": 149, "b": [["79999", "10"]], "a": [["80001", "100"]]}
        snapshot = json.dumps({"lastUpdateId": 158, "bids": [["79998", "1"]], "asks": [["80002", "1"]]}).encode()

        def events(market: Session, public: Session) -> list[Any]:
            items = _read(market, trade) + _read(public, depth)
            items += public.snapshot("BTC-USDT-PERP", snapshot, 5)
            return [item for item in items if isinstance(item, Trade | BookSnapshot | BookDelta)]

        one, market, public = (_session("binance-usdm") for _ in range(3))
        before, behind = events(one, one), events(market, public)
        assert before == behind
        assert [type(event) for event in before] == [Trade, BookSnapshot]

    def test_spot_trades_with_and_without_the_order_ids_of_before_june_2024(self) -> None:
        new = {"e": "trade", "E": 1672515782136, "s": "BNBBTC", "t": 12345, "p": "0.001", "q": "100"}
        new |= {"T": 1672515782136, "m": True, "M": True}
        old = new | {"b": 88, "a": 50}
        assert [trade.trade_id for trade in _read(_session("binance-spot"), old, new)] == ["12345", "12345"]

    def test_spot_in_microseconds_where_they_were_asked_for(self) -> None:
        frame = {"e": "trade", "E": 1672515782136, "s": "BNBBTC", "t": 1, "p": "1", "q": "1", "m": True}
        found = _read(_session("binance-spot"), frame | {"T": 1672515782136}, frame | {"T": 1672515782136789})
        assert [trade.event_ns for trade in found] == [1_672_515_782_136_000_000, 1_672_515_782_136_789_000]

    def test_spots_events_of_2026(self) -> None:
        session = _session("binance-spot")
        assert _read(session, {"e": "serverShutdown", "E": 1770123456789}) == [Rotate(cause="serverShutdown")]
        assert _read(session, {"e": "blockTrade", "s": "BTCUSDT"}, {"e": "referencePrice", "s": "BTCUSDT"}) == []
        assert session.checks.ignored == 2

    def test_a_book_of_improved_prices_is_not_the_book(self) -> None:
        session = _session("binance-usdm")
        depth = {"e": "depthUpdate", "E": 1787492348372, "s": "BTCUSDT", "U": 1, "u": 2, "pu": 0, "b": [], "a": []}
        assert _read(session, {"stream": "btcusdt@rpiDepth@500ms", "data": depth}) == []
        assert session.checks.ignored == 1


class TestOkx:
    def test_trades_of_2021_have_no_count_and_prove_no_hole(self, recordings: Path) -> None:
        (old,) = _recorded(recordings, "okx/tardis-node_okx_v5_single_frames.jsonl", '"trades"', "148266905")
        later = json.loads(json.dumps(old).replace("148266905", "148266999"))
        assert [type(item) for item in _read(_session("okx"), old, later)] == [Trade, Trade]
        counted = json.loads(json.dumps(later).replace('"ts"', '"count": "3", "source": "0", "seqId": 7, "ts"'))
        gap, trade = _read(_session("okx"), old, counted)[1:]
        assert (gap.first_missing, gap.last_missing) == ("148266906", "148266996")
        assert trade.size == pytest.approx(0.05)

    def test_funding_of_2021_has_neither_time_nor_interval(self, recordings: Path) -> None:
        (old,) = _recorded(recordings, "okx/tardis-node_okx_v5_single_frames.jsonl", '"WNCG-USDT-SWAP"', "fundingRate")
        (funding,) = _read(_session("okx"), old)
        assert isinstance(funding, FundingRate)
        assert (funding.rate, funding.interval_s, funding.event_ns) == (0.00048105, None, 5)  # when it was received
        new = {"fundingRate": "0.0000252378080097", "fundingTime": "1790784000000", "method": "current_period"}
        new |= {"nextFundingRate": "", "nextFundingTime": "1790812800000", "ts": "1790757122992"}
        new |= {"instId": "BTC-USDT-SWAP", "instType": "SWAP"}
        (funding,) = _read(_session("okx"), {"arg": {"channel": "funding-rate"}, "data": [new]})
        assert (funding.interval_s, funding.event_ns) == (28_800, 1_790_757_122_992_000_000)

    def test_open_interest_of_2021_has_no_dollars(self, recordings: Path) -> None:
        frames = _recorded(recordings, "okx/tardis-node_okx_v5_single_frames.jsonl", '"open-interest"')
        found = [(one.symbol, one.contracts, one.base, one.notional) for one in _read(_session("okx"), *frames)]
        assert found == [
            ("FIL-USDT-20220325", 236_870.0, 23_687.0, None),
            ("WNCG-USDT-PERP", 644_195.0, 644_195.0, None),
        ]

    def test_marks_of_dated_contracts(self, recordings: Path) -> None:
        frames = _recorded(recordings, "okx/tardis-node_okx_v5_single_frames.jsonl", '"mark-price"', "FIL-USDT-220325")
        assert [(type(one), one.price) for one in _read(_session("okx"), *frames)] == [
            (MarkPrice, 36.232),
            (MarkPrice, 36.662),
        ]

    def test_liquidations_of_2023_and_of_2026(self, recordings: Path) -> None:
        frames = _recorded(recordings, "okx/liquidation_orders_frames.jsonl")
        found = [item for item in _read(_session("okx"), *frames) if isinstance(item, Liquidation)]
        assert [(one.symbol, one.liquidated) for one in found] == [
            ("BTC-USDT-PERP", PositionSide.LONG),
            ("XRP-USD-20230929", PositionSide.SHORT),
        ]

    def test_a_book_without_ids_needs_its_checksum_and_one_with_ids_none(self) -> None:
        # okx.com/docs-v5, checksum: CRC-32 of "3366.1:7:3366.8:9:3368:8:3372:8"
        rows = {"bids": [["3366.1", "7", "0", "3"]], "ts": "1597026383085"}
        rows |= {"asks": [["3366.8", "9", "10", "3"], ["3368", "8", "3", "4"], ["3372", "8", "3", "4"]]}
        arg = {"channel": "books", "instId": "BTC-USDT"}

        def first(**fields):
            return _read(_session("okx"), {"arg": arg, "action": "snapshot", "data": [rows | fields]})[0]

        assert isinstance(first(checksum=831078360), BookSnapshot)
        assert not isinstance(first(checksum=831078361), BookSnapshot)
        assert not isinstance(first(), BookSnapshot)  # neither proves it
        for fields in ({"checksum": 0}, {}):  # since 2026-06-23 it is 0, or not there
            assert isinstance(first(seqId=123456, prevSeqId=-1, **fields), BookSnapshot)

    def test_channels_of_2026_are_known_and_not_read(self) -> None:
        session = _session("okx")
        for channel in ("books-elp", "books-rpi", "mark-price-candle1m"):
            assert _read(session, {"arg": {"channel": channel, "instId": "BTC-USDT"}, "data": [{}]}) == []
        assert session.checks.ignored == 3

    def test_perpetuals_that_are_called_futures_are_no_dated_contracts(self, recordings: Path) -> None:
        (frame,) = _recorded(recordings, "okx/tardis-node_okx_v5_single_frames.jsonl", "XPERP")
        (reject,) = _read(_session("okx"), frame)
        assert reject.reason == "unknown_instrument"


class TestBybit:
    def test_liquidations_before_and_since_february_2025(self, recordings: Path) -> None:
        frames = _recorded(recordings, "bybit/liquidation_frames.jsonl")
        found = [(one.symbol, one.liquidated, one.price) for one in _read(_session("bybit"), *frames)]
        assert found == [
            ("BTC-USDT-PERP", PositionSide.LONG, 82396.9),
            ("BTC-USDT-PERP", PositionSide.LONG, 82394.3),
            ("STRK-USDT-PERP", PositionSide.LONG, 0.05165),
            ("GALA-USDT-PERP", PositionSide.LONG, 0.03803),
            ("XRP-USD-PERP", PositionSide.SHORT, 0.5149),
            ("PIPPIN-USDT-PERP", PositionSide.SHORT, 0.02456),
        ]
        xrp = next(one for one in _read(_session("bybit"), *frames) if one.symbol == "XRP-USD-PERP")
        assert xrp.size == pytest.approx(6949 / 0.5149)  # dollars

    def test_open_interest_of_one_side_where_it_is_said_else_half_of_both(self, recordings: Path) -> None:
        (old,) = _recorded(
            recordings, "bybit/tardis-node_bybit_v5_single_frames.jsonl", "tickers.BTCUSDT", '"snapshot"'
        )
        interest = [one for one in _read(_session("bybit"), old) if isinstance(one, OpenInterest)]
        assert [(one.base, one.notional) for one in interest] == [(52774.528 / 2, 1506861070.82 / 2)]
        new = json.loads(json.dumps(old))
        new["data"] |= {"singleOpenInterest": "26000", "singleOpenInterestValue": "742000000"}
        interest = [one for one in _read(_session("bybit"), new) if isinstance(one, OpenInterest)]
        assert [(one.base, one.notional) for one in interest] == [(26_000.0, 742_000_000.0)]

    def test_inverse_open_interest_is_dollars_and_its_value_coins(self, recordings: Path) -> None:
        (frame,) = _recorded(
            recordings, "bybit/tardis-node_bybit_v5_single_frames.jsonl", 'tickers.BTCUSD"', '"snapshot"'
        )
        (one,) = [one for one in _read(_session("bybit"), frame) if isinstance(one, OpenInterest)]
        assert (one.contracts, one.notional, one.base) == (449736676 / 2, 449736676 / 2, 15747.08 / 2)
        mark = float(frame["data"]["markPrice"])
        assert one.notional
        assert one.base
        assert one.notional / one.base == pytest.approx(mark, rel=1e-5)

    def test_the_interval_of_funding_is_said_since_2026(self, recordings: Path) -> None:
        (old,) = _recorded(
            recordings, "bybit/tardis-node_bybit_v5_single_frames.jsonl", "tickers.BTCUSDT", '"snapshot"'
        )
        new = json.loads(json.dumps(old))
        new["data"]["fundingIntervalHour"] = "8"
        said = [
            [one.interval_s for one in _read(_session("bybit"), frame) if isinstance(one, FundingRate)]
            for frame in (old, new)
        ]
        assert said == [[None], [28_800]]

    @pytest.mark.parametrize("depth", ["50", "200", "500", "1000"])
    def test_every_depth_that_ever_was_is_a_book(self, depth) -> None:
        session = RECORDED["bybit"]().session(
            Plan(url="wss://stream.bybit.com/v5/public/linear", symbols=(), streams=()),
            NamedInstruments(NAMES["bybit"]),
            Origin.RECORDED,
        )
        row = {"s": "BTCUSDT", "b": [["16493.50", "0.006"]], "a": [["16611.00", "0.029"]], "u": 18521288, "seq": 7}
        frame = {"topic": f"orderbook.{depth}.BTCUSDT", "type": "snapshot", "ts": "1672304484978", "data": row}
        early, late = _read(session, frame)[0], _read(session, frame | {"cts": 1672304484976})[0]
        assert isinstance(early, BookSnapshot)
        assert early.event_ns == 1_672_304_484_978_000_000  # frames without `cts`, and a time in quotes
        assert late.event_ns == 1_672_304_484_976_000_000

    def test_best_prices_changed_their_form_in_2025_and_are_not_read(self) -> None:
        session = _session("bybit")
        row = {"s": "BTCUSDT", "b": [["16493.50", "0.006"]], "a": [], "u": 1, "seq": 7}
        for kind in ("snapshot", "delta"):
            assert (
                _read(session, {"topic": "orderbook.1.BTCUSDT", "type": kind, "ts": 1672304484978, "data": row}) == []
            )
        assert session.checks.ignored == 2


class TestCoinapi:
    @pytest.mark.parametrize("spelling", ["hearbeat", "heartbeat"])
    def test_a_heartbeat_however_it_is_spelled(self, spelling) -> None:
        assert _read(_session("coinapi"), {"type": spelling}) == [Acknowledged(channel="hello")]
