"""Bybit v5 frames in the vendor's documented shapes, with values worked out by hand."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import (
    BookDelta,
    BookSnapshot,
    FundingRate,
    Gap,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Origin,
    PositionSide,
    Side,
    Trade,
)
from libs.common.events.symbols import perpetual, spot
from services.ingest.venues import Bybit
from services.ingest.venues.terms import Acknowledged, Instrument, Plan, Rejected, Reply, Resubscribe, Stream
from services.ingest.venues.wire import FRAME_LIMIT


def _instrument(native, kind):
    return Instrument(symbol=str(kind), native=native, kind=kind, tick=0.1, lot=0.01, inverse=kind.inverse)


INSTRUMENTS = {
    one.native: one
    for one in (
        _instrument("linear:BTCUSDT", perpetual("BTC", "USDT")),
        _instrument("linear:BTCPERP", perpetual("BTC", "USDC")),
        _instrument("inverse:BTCUSD", perpetual("BTC", "USD")),
        _instrument("spot:BTCUSDT", spot("BTC", "USDT")),
    )
}
AT = 1_672_304_484_978
TRADE = {
    "T": 1672304486865,
    "s": "BTCUSDT",
    "S": "Buy",
    "v": "0.001",
    "p": "16578.50",
    "L": "PlusTick",
    "i": "20f43950-d8dd-5b31-9112-a178eb6023af",
    "BT": False,
    "seq": 1783284617,
}
TICKER = {
    "symbol": "BTCUSDT",
    "lastPrice": "17216.00",
    "markPrice": "17217.33",
    "indexPrice": "17227.36",
    "openInterest": "68744.761",
    "openInterestValue": "1183601235.91",
    "fundingRate": "-0.000212",
    "nextFundingTime": "1673280000000",
    "bid1Price": "17215.50",
}


def _session(category="linear", symbols=(), streams=()):
    plan = Plan(url=f"wss://x/v5/public/{category}", symbols=symbols, streams=streams)
    return Bybit().session(plan, INSTRUMENTS, Origin.SIMULATED)


def _frame(topic, data, kind="snapshot", **more) -> bytes:
    return json.dumps({"topic": topic, "type": kind, "ts": AT, "data": data} | more).encode()


def _book(update, bids=(), asks=(), kind="delta", name="BTCUSDT", **more) -> bytes:
    data = {"s": name, "b": list(bids), "a": list(asks), "u": update, "seq": 7961638724}
    return _frame(f"orderbook.200.{name}", data, kind, **({"cts": AT - 6} | more))


WHOLE = _book(10, [["16493.50", "0.006"], ["16493.00", "0.100"]], [["16611.00", "0.029"]], "snapshot")


def _one(session, frame):
    (item,) = session.receive(frame, 5)
    return item


def test_a_trade_of_a_linear_contract() -> None:
    assert _one(_session(), _frame("publicTrade.BTCUSDT", [TRADE])) == Trade(
        venue="bybit",
        symbol="BTC-USDT-PERP",
        event_ns=1_672_304_486_865_000_000,
        received_ns=5,
        origin=Origin.SIMULATED,
        price=16578.5,
        size=0.001,
        side=Side.BUY,
        trade_id="20f43950-d8dd-5b31-9112-a178eb6023af",
    )


def test_one_name_is_two_markets_and_the_address_tells() -> None:
    frame = _frame("publicTrade.BTCUSDT", [TRADE | {"i": "2290000001189048101", "S": "Sell"}])
    assert _one(_session("spot"), frame).symbol == "BTC-USDT"
    assert _one(_session("linear"), frame).symbol == "BTC-USDT-PERP"
    assert _one(_session("inverse"), frame).reason == "unknown_instrument"
    assert _one(_session("spot"), frame).side is Side.SELL


def test_without_an_address_the_ids_tell_and_a_book_is_refused() -> None:
    session = _session("recording")
    assert _one(session, _frame("publicTrade.BTCUSDT", [TRADE])).symbol == "BTC-USDT-PERP"
    assert _one(session, _frame("publicTrade.BTCUSDT", [TRADE | {"i": "2290000001189048101"}])).symbol == "BTC-USDT"
    assert _one(session, _frame("publicTrade.BTCUSD", [TRADE | {"s": "BTCUSD"}])).symbol == "BTC-USD-PERP"
    assert _one(session, WHOLE).reason == "unknown_instrument"


def test_inverse_contracts_are_dollars() -> None:
    trade = _one(
        _session("inverse"), _frame("publicTrade.BTCUSD", [TRADE | {"s": "BTCUSD", "v": "5000", "p": "25000"}])
    )
    assert (trade.symbol, trade.size, trade.notional) == ("BTC-USD-PERP", 0.2, 5000.0)


def test_block_trades_are_no_market_trades_and_bad_rows_lose_nobody() -> None:
    session = _session()
    rows = [TRADE, TRADE | {"BT": True}, TRADE | {"p": "-1"}, TRADE | {"s": "NOPEUSDT"}, TRADE | {"i": ""}, TRADE]
    items = session.receive(_frame("publicTrade.BTCUSDT", rows), 5)
    assert [getattr(item, "reason", "") for item in items] == ["", "value", "unknown_instrument", "value", ""]
    assert session.checks.non_market == 1
    assert session.receive(_frame("publicTrade.BTCUSDT", "nothing"), 5)[0].reason == "value"


def test_a_liquidation_names_the_side_of_the_position() -> None:
    row = {"T": 1739502302929, "s": "BTCUSDT", "S": "Sell", "v": "20000", "p": "0.04499"}  # the vendor's example
    short, long = _session().receive(_frame("allLiquidation.BTCUSDT", [row, row | {"S": "Buy"}]), 5)
    assert isinstance(short, Liquidation)
    assert (short.liquidated, short.size, short.price) == (PositionSide.SHORT, 20000.0, 0.04499)
    assert short.event_ns == 1_739_502_302_929_000_000
    assert long.liquidated is PositionSide.LONG


def test_the_old_liquidation_channel() -> None:
    data = {"updatedTime": 1680673944093, "symbol": "BTCUSD", "side": "Sell", "size": "6949", "price": "20000"}
    item = _one(_session("inverse"), _frame("liquidation.BTCUSD", data))
    assert (item.symbol, item.liquidated, item.size) == ("BTC-USD-PERP", PositionSide.SHORT, 0.34745)


def test_a_ticker_tells_mark_funding_and_one_side_of_the_open_interest() -> None:
    common: dict[str, Any] = {
        "venue": "bybit",
        "symbol": "BTC-USDT-PERP",
        "event_ns": AT * 10**6,
        "received_ns": 5,
        "origin": Origin.SIMULATED,
    }
    assert _session().receive(_frame("tickers.BTCUSDT", TICKER), 5) == [
        MarkPrice(price=17217.33, index_price=17227.36, **common),
        FundingRate(rate=-0.000212, interval_s=None, next_funding_ns=1_673_280_000_000_000_000, **common),
        OpenInterest(contracts=None, base=34372.3805, notional=591800617.955, **common),  # half of both sides
    ]


def test_what_a_ticker_leaves_out_has_not_changed() -> None:
    session = _session()
    single = {"singleOpenInterest": "30000", "singleOpenInterestValue": "500000000", "fundingIntervalHour": "4"}
    session.receive(_frame("tickers.BTCUSDT", TICKER | single), 5)

    def delta(**fields):
        return session.receive(_frame("tickers.BTCUSDT", {"symbol": "BTCUSDT"} | fields, "delta"), 6)

    assert delta(bid1Price="17215.40") == delta(openInterestValue="1") == []
    (mark,) = delta(markPrice="17218")
    assert (mark.price, mark.index_price) == (17218.0, 17227.36)
    (mark,) = delta(indexPrice="17229")
    assert (mark.price, mark.index_price) == (17218.0, 17229.0)
    (funding,) = delta(fundingRate="0.0001")
    assert (funding.rate, funding.interval_s, funding.next_funding_ns // 10**9) == (0.0001, 14_400, 1_673_280_000)
    (interest,) = delta(openInterest="70000", singleOpenInterest="35000")
    assert (interest.base, interest.notional) == (35000.0, 500_000_000.0)  # the venue's own count of one side
    assert [item.reason for item in delta(markPrice="NaN")] == ["value"]
    assert delta(indexPrice="17230")[0].price == 17218.0  # the damaged frame changed nothing
    session.receive(_frame("tickers.BTCUSDT", {"symbol": "BTCUSDT"}), 7)  # a whole one forgets what was before
    assert delta(indexPrice="17231") == []
    (mark,) = delta(markPrice="17000")
    assert mark.index_price == 17231.0


def test_inverse_open_interest_is_in_dollars_and_its_value_in_coins() -> None:
    ticker = {"symbol": "BTCUSD", "openInterest": "449736676", "openInterestValue": "15747.08", "fundingRate": ""}
    item = _one(_session("inverse"), _frame("tickers.BTCUSD", ticker))
    assert (item.contracts, item.base, item.notional) == (224868338.0, 7873.54, 224868338.0)


def test_a_ticker_needs_its_time_and_funding_a_real_settlement() -> None:
    session = _session()
    assert _one(session, _frame("tickers.BTCUSDT", TICKER, ts=None)).reason == "value"
    _, funding, _ = session.receive(_frame("tickers.BTCUSDT", TICKER | {"nextFundingTime": "0"}), 5)
    assert funding.next_funding_ns is None
    seconds = session.receive(_frame("tickers.BTCUSDT", TICKER | {"fundingIntervalHour": "0"}), 5)
    assert [item.reason for item in seconds] == ["value"]


def test_spot_tickers_and_candles_are_passed_over() -> None:
    session = _session("spot")
    for topic in ("tickers.BTCUSDT", "kline.1.BTCUSDT", "orderbook.1.BTCUSDT", "orderbook.rpi.BTCUSDT"):
        assert session.receive(_frame(topic, {}), 5) == []
    assert session.checks.ignored == 4
    for topic in ("greeks.BTC", "orderbook.7.BTCUSDT", "orderbook"):
        assert _one(session, _frame(topic, {})).reason == "unknown_channel"


def test_a_book_is_followed_from_its_snapshot() -> None:
    session = _session()
    assert session.book("BTC-USDT-PERP") is None
    assert _one(session, WHOLE) == BookSnapshot(
        venue="bybit",
        symbol="BTC-USDT-PERP",
        event_ns=(AT - 6) * 10**6,  # the matching engine's time
        received_ns=5,
        origin=Origin.SIMULATED,
        bids=((16493.5, 0.006), (16493.0, 0.1)),
        asks=((16611.0, 0.029),),
        sequence=10,
    )
    delta = _one(session, _book(11, [["16493.50", "0"], ["16494", "2"]], cts=None))
    assert isinstance(delta, BookDelta)
    assert (delta.first_sequence, delta.last_sequence, delta.event_ns) == (11, 11, AT * 10**6)
    assert delta.bids == ((16493.5, 0.0), (16494.0, 2.0))
    assert session.receive(_book(11, [["16493.50", "0"]]), 5) == []  # the same again
    assert session.checks.stale == 1
    assert session.book("BTC-USDT-PERP").bids == ((16494.0, 2.0), (16493.0, 0.1))


def test_an_inverse_book_is_in_coins_at_each_price() -> None:
    frame = _book(3, [["20000", "5000"]], [["25000", "5000"]], "snapshot", "BTCUSD")
    snapshot = _one(_session("inverse"), frame)
    assert (snapshot.bids, snapshot.asks) == (((20000.0, 0.25),), ((25000.0, 0.2),))


def test_a_jump_loses_the_book_and_asks_for_a_fresh_one_once() -> None:
    session = _session()
    session.receive(WHOLE, 5)
    gap, ask = session.receive(_book(12), 6)
    assert isinstance(gap, Gap)
    assert (gap.stream, gap.cause, gap.first_missing, gap.last_missing) == ("books", "sequence", "11", "11")
    assert isinstance(ask, Resubscribe)
    assert [json.loads(frame) for frame in ask.frames] == [
        {"req_id": "u1", "op": "unsubscribe", "args": ["orderbook.200.BTCUSDT"]},
        {"req_id": "s1", "op": "subscribe", "args": ["orderbook.200.BTCUSDT"]},
    ]
    assert session.receive(_book(13), 7) == []
    assert session.book("BTC-USDT-PERP") is None
    whole, closed = session.receive(_book(20, [["1", "1"]], [["2", "1"]], "snapshot"), 8)
    assert (whole.sequence, closed.recovered, closed.from_ns) == (20, True, gap.from_ns)


@pytest.mark.parametrize("kind", ["snapshot", "delta"])
def test_update_id_one_is_a_whole_book(kind) -> None:
    session = _session()
    session.receive(WHOLE, 5)
    again = _one(session, _book(1, [["5", "1"]], [["6", "1"]], kind))
    assert isinstance(again, BookSnapshot)
    assert (again.sequence, again.bids, again.asks) == (1, ((5.0, 1.0),), ((6.0, 1.0),))
    assert _one(session, _book(2, [["5", "2"]])).first_sequence == 2


def test_a_snapshot_in_between_replaces_the_book() -> None:
    session = _session()
    session.receive(WHOLE, 5)
    assert _one(session, _book(500, [["5", "1"]], [["6", "1"]], "snapshot")).bids == ((5.0, 1.0),)
    assert _one(session, _book(501)).last_sequence == 501


def test_damaged_changes_lose_the_book_and_crossed_ones_too() -> None:
    session = _session()
    session.receive(WHOLE, 5)
    reject, gap, ask = session.receive(_book(11, [["x", "1"]]), 6)
    assert (reject.reason, gap.cause, ask.cause) == ("value", "value", "value")
    session.receive(WHOLE, 7)
    gap, _ = session.receive(_book(11, [["17000", "1"]]), 8)
    assert (gap.cause, session.checks.books_crossed) == ("crossed", 1)
    session.receive(WHOLE, 9)
    assert [item.reason for item in session.receive(_book(11, ts=None, cts=None), 6) if isinstance(item, Rejected)] == [
        "value"
    ]
    assert _one(session, _book(12, kind="update")).reason == "value"


def test_the_depth_that_came_first_is_the_book() -> None:
    session = _session()
    session.receive(WHOLE, 5)
    data = {"s": "BTCUSDT", "b": [], "a": [], "u": 900, "seq": 1}
    assert session.receive(_frame("orderbook.50.BTCUSDT", data, "snapshot"), 5) == []
    assert session.checks.ignored == 1
    assert session.book("BTC-USDT-PERP").sequence == 10


def test_levels_beyond_the_depth_are_removed_in_the_same_change() -> None:
    session = _session()
    bids = [[str(price), "1"] for price in range(1000, 800, -1)]
    session.receive(_book(5, bids, [["2000", "1"]], "snapshot"), 5)
    delta = _one(session, _book(6, [["1001", "3"]]))
    assert delta.bids == ((1001.0, 3.0), (801.0, 0.0))
    assert len(session.book("BTC-USDT-PERP").bids) == 200


class _Reader:
    """A venue with the true book, a session that hears it, and who follows what the session publishes."""

    def __init__(self) -> None:
        self.session = _session()
        self.true = {100.0: 1.0}
        self.update = 5
        self.published: dict[float, float] = {}
        self.sequence: int | None = None
        self.deliver(self.whole())

    def whole(self) -> bytes:
        bids = [[str(price), str(size)] for price, size in self.true.items() if size]
        return _book(self.update, bids, [["90000", "1"]], "snapshot")

    def change(self, number: int) -> bytes:
        self.update += 1
        self.true[float(100 + number % 5)] = float(number % 3)
        return _book(self.update, [[str(100 + number % 5), str(number % 3)]])

    def deliver(self, *frames: bytes) -> None:
        for frame in frames:
            for item in self.session.receive(frame, 10**18 + self.update * 60 * 10**9):
                self.read(item)

    def read(self, item) -> None:
        match item:
            case BookSnapshot():
                self.published, self.sequence = dict(item.bids), item.sequence
            case BookDelta():
                assert self.sequence is not None
                assert item.first_sequence == self.sequence + 1
                self.published.update(item.bids)
                self.sequence = item.last_sequence
            case Gap(recovered=False):
                self.sequence = None
            case Resubscribe():
                self.deliver(self.whole())

    def check(self) -> None:
        book = self.session.book("BTC-USDT-PERP")
        assert (book is None) == (self.sequence is None)
        if book is not None and book.sequence == self.update:
            true = {price: size for price, size in self.true.items() if size}
            assert dict(book.bids) == true
            assert {price: size for price, size in self.published.items() if size} == true


@settings(max_examples=200, deadline=None)
@given(faults=st.lists(st.sampled_from(["ok", "ok", "drop", "twice", "swap", "restart", "damage"]), max_size=25))
def test_whatever_is_lost_the_book_is_true_or_not_published(faults) -> None:
    reader = _Reader()
    late: list[bytes] = []
    for number, fault in enumerate([*faults, "ok", "ok"]):
        if fault == "restart":
            reader.update, late = 1, []
            reader.deliver(reader.whole())
            continue
        frame = reader.change(number)
        if fault == "swap":
            late = [frame]
            continue
        deliveries = {"ok": [frame], "twice": [frame, frame], "damage": [frame[:-40]], "drop": []}
        reader.deliver(*deliveries[fault], *late)
        late = []
        reader.check()
    assert reader.session.book("BTC-USDT-PERP") is not None  # it always comes back


def test_what_is_asked_for_and_how_it_is_answered() -> None:
    session = _session("linear", tuple(one.symbol for one in INSTRUMENTS.values()), tuple(Stream))
    (frame,) = session.subscribe()
    assert json.loads(frame) == {
        "req_id": "s0",
        "op": "subscribe",
        "args": [
            f"{channel}.{name}"
            for channel in ("orderbook.200", "publicTrade", "allLiquidation", "tickers")
            for name in ("BTCUSDT", "BTCPERP")
        ],
    }
    linear = {"success": True, "ret_msg": "", "conn_id": "cejreaspqfh3sjdnldmg-p", "req_id": "s0", "op": "subscribe"}
    taken = _one(session, json.dumps(linear).encode())
    assert isinstance(taken, Acknowledged)
    assert taken.channel.startswith("orderbook.200.BTCUSDT ")
    bare = {"success": True, "ret_msg": "subscribe", "conn_id": "2324d924", "op": "subscribe"}
    assert _one(_session("spot"), json.dumps(bare).encode()) == Acknowledged(channel="")


def test_a_request_that_failed_is_repeated_topic_by_topic() -> None:
    session = _session("spot", ("BTC-USDT",), tuple(Stream))
    (frame,) = session.subscribe()
    assert json.loads(frame)["args"] == ["orderbook.200.BTCUSDT", "publicTrade.BTCUSDT"]  # no funding on spot
    failed = {"success": False, "ret_msg": "error:handler not found", "conn_id": "x", "req_id": "s0", "op": "subscribe"}
    reject, *again = session.receive(json.dumps(failed).encode(), 5)
    assert reject.reason == "error_frame"
    assert all(isinstance(item, Reply) for item in again)
    assert [json.loads(item.frame) for item in again] == [
        {"req_id": "i1", "op": "subscribe", "args": ["orderbook.200.BTCUSDT"]},
        {"req_id": "i2", "op": "subscribe", "args": ["publicTrade.BTCUSDT"]},
    ]
    (reject,) = session.receive(json.dumps(failed | {"req_id": "i2"}).encode(), 5)  # that one is the bad one
    assert "publicTrade.BTCUSDT" in reject.detail


@pytest.mark.parametrize(
    "answer",
    [
        {"success": True, "ret_msg": "pong", "conn_id": "0970e817", "op": "ping"},
        {"success": True, "ret_msg": "pong", "conn_id": "0970e817", "req_id": "", "op": "ping"},
        {"req_id": "", "op": "pong", "args": ["1675418560633"], "conn_id": "cfcb4ocsvfriu23r3er0-1b"},
        {"success": True, "ret_msg": "", "req_id": "u1", "op": "unsubscribe"},
    ],
)
def test_pongs_and_farewells_are_no_news(answer) -> None:
    assert _session().receive(json.dumps(answer).encode(), 5) == []


def test_what_cannot_be_read_is_rejected() -> None:
    session = _session()
    reasons = [
        _one(session, frame).reason
        for frame in (b"", b"{", b"[]", b'{"op":"auth"}', b'{"topic":5}', b"x" * (FRAME_LIMIT + 1), b"\xff")
    ]
    assert reasons == ["decode", "decode", "value", "error_frame", "value", "oversize", "decode"]
    assert session.snapshot("BTC-USDT-PERP", b"{}", 5)[0].reason == "unexpected"


def test_only_what_was_wanted_is_said() -> None:
    session = _session("linear", ("BTC-USDC-PERP",))
    for frame in (
        WHOLE,
        _frame("publicTrade.BTCUSDT", [TRADE]),
        _frame("tickers.BTCUSDT", TICKER),
        _frame("allLiquidation.BTCUSDT", [{"T": AT, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "2"}]),
    ):
        assert session.receive(frame, 5) == []


@pytest.mark.parametrize(
    ("category", "stream", "topics"),
    [
        ("linear", Stream.BOOKS, ["orderbook.200.BTCUSDT"]),
        ("linear", Stream.TRADES, ["publicTrade.BTCUSDT"]),
        ("linear", Stream.LIQUIDATIONS, ["allLiquidation.BTCUSDT"]),
        ("spot", Stream.LIQUIDATIONS, []),
    ],
)
def test_one_topic_is_joined_again_by_its_name(category: str, stream: Stream, topics: list[str]) -> None:
    symbol = "BTC-USDT" if category == "spot" else "BTC-USDT-PERP"
    plan = Plan(url=f"wss://bybit/v5/public/{category}", symbols=(symbol,), streams=tuple(Stream))
    frames = Bybit().session(plan, INSTRUMENTS, Origin.LIVE).resubscribe(symbol, stream)
    asked = [json.loads(frame) for frame in frames]
    assert [(one["op"], one["args"]) for one in asked] == [
        (op, [topic]) for topic in topics for op in ("unsubscribe", "subscribe")
    ]
