"""OKX v5 frames in the vendor's documented shapes, with values worked out by hand."""

import datetime as dt
import json

import pytest

from libs.common.events import (
    BookDelta,
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
from libs.common.events.symbols import future, perpetual, spot
from services.ingest.venues import Okx
from services.ingest.venues.terms import Acknowledged, Instrument, Plan, Rejected, Reply, Resubscribe, Rotate, Stream
from services.ingest.venues.wire import FRAME_LIMIT, PAYLOAD_LIMIT


def _instrument(native, kind, **more):
    return Instrument(symbol=str(kind), native=native, kind=kind, tick=0.1, lot=0.01, **more)


INSTRUMENTS = {
    one.native: one
    for one in (
        _instrument("BTC-USDT", spot("BTC", "USDT")),
        _instrument("BTC-USDT-SWAP", perpetual("BTC", "USDT"), contract_size=0.01),
        _instrument("BTC-USD-SWAP", perpetual("BTC", "USD"), contract_size=100.0, inverse=True),
        _instrument("BTC-USD-261225", future("BTC", "USD", dt.date(2026, 12, 25)), contract_size=100.0, inverse=True),
    )
}
EVERYTHING = tuple(one.symbol for one in INSTRUMENTS.values())
TRADE = {
    "instId": "BTC-USDT",
    "tradeId": "130639474",
    "px": "42219.9",
    "sz": "0.12060306",
    "side": "buy",
    "ts": "1630048897897",
    "count": "3",
    "source": "0",
    "seqId": 1234,
}
LEVELS = {"asks": [["8476.98", "415", "0", "13"], ["8477", "7", "0", "2"]], "bids": [["8476.97", "256", "0", "12"]]}
FUNDING = {
    "fundingRate": "0.0000252378080097",
    "fundingTime": "1790784000000",
    "instId": "BTC-USDT-SWAP",
    "instType": "SWAP",
    "method": "current_period",
    "nextFundingRate": "",
    "nextFundingTime": "1790812800000",
    "ts": "1790757122992",
}


def _session(symbols=EVERYTHING, streams=tuple(Stream)):
    return Okx().session(Plan(url="", symbols=symbols, streams=streams), INSTRUMENTS, Origin.SIMULATED)


def _frame(channel, *rows, native="BTC-USDT", **more) -> bytes:
    return json.dumps({"arg": {"channel": channel, "instId": native}, "data": rows, **more}).encode()


def _one(session, frame):
    (item,) = session.receive(frame, 5)
    return item


def _book(sequence, previous, native="BTC-USDT", action="update", **levels):
    row = {"asks": [], "bids": [], "ts": "1597026383085", "checksum": 0, "seqId": sequence, "prevSeqId": previous}
    return _frame("books", row | levels, native=native, action=action)


def test_a_spot_trade_is_in_base_units_already() -> None:
    assert _one(_session(), _frame("trades", TRADE)) == Trade(
        venue="okx",
        symbol="BTC-USDT",
        event_ns=1_630_048_897_897_000_000,
        received_ns=5,
        origin=Origin.SIMULATED,
        price=42219.9,
        size=0.12060306,
        side=Side.BUY,
        trade_id="130639474",
    )


def test_linear_contracts_are_worth_their_face_value_in_coins() -> None:
    trade = _one(_session(), _frame("trades", TRADE | {"instId": "BTC-USDT-SWAP", "sz": "7.69", "side": "sell"}))
    assert trade.symbol == "BTC-USDT-PERP"
    assert trade.size == pytest.approx(0.0769, rel=1e-15)
    assert trade.side is Side.SELL


def test_inverse_contracts_are_worth_dollars_over_price() -> None:
    trade = _one(_session(), _frame("trades", TRADE | {"instId": "BTC-USD-261225", "sz": "3", "px": "60000"}))
    assert trade.symbol == "BTC-USD-20261225"
    assert trade.size == 0.005  # 3 x 100 USD / 60,000
    assert trade.notional == 300.0


def test_a_bad_row_does_not_lose_its_neighbours() -> None:
    rows = [TRADE, TRADE | {"px": "-1"}, TRADE | {"instId": "DOGE-USDT"}, TRADE | {"tradeId": "130639475"}]
    items = _session().receive(_frame("trades", *rows), 5)
    assert [getattr(item, "reason", None) for item in items] == [None, "value", "unknown_instrument", None]


def test_a_book_is_followed_from_its_snapshot_in_base_units() -> None:
    session = _session()
    native = "BTC-USD-SWAP"
    start = _one(session, _book(100, -1, native, "snapshot", **LEVELS))
    assert start.sequence == 100
    assert start.bids == ((8476.97, 256 * 100 / 8476.97),)
    assert start.asks[0] == (8476.98, 415 * 100 / 8476.98)
    delta = _one(session, _book(107, 100, native, bids=[["8476.97", "0", "0", "0"]]))
    assert isinstance(delta, BookDelta)
    assert (delta.first_sequence, delta.last_sequence, delta.bids) == (101, 107, ((8476.97, 0.0),))
    assert session.receive(_book(107, 107, native), 5) == []  # the keepalive of a quiet minute
    assert session.book("BTC-USD-PERP").sequence == 107
    assert session.book("BTC-USDT") is None


def test_a_gap_resubscribes_once_with_ids_of_letters_and_digits() -> None:
    session = _session()
    session.receive(_book(100, -1, action="snapshot", **LEVELS), 5)
    gap, ask = session.receive(_book(120, 110), 6)
    assert isinstance(gap, Gap)
    assert isinstance(ask, Resubscribe)
    off, on = map(json.loads, ask.frames)
    assert (off["op"], on["op"]) == ("unsubscribe", "subscribe")
    assert on["args"] == [{"channel": "books", "instId": "BTC-USDT"}]
    assert off["id"] != on["id"]
    assert all(frame["id"].isalnum() and len(frame["id"]) <= 32 for frame in (off, on))
    assert session.receive(_book(121, 120), 7) == []


def test_a_bad_level_loses_the_book_because_the_change_is_lost() -> None:
    session = _session()
    session.receive(_book(100, -1, action="snapshot", **LEVELS), 5)
    items = session.receive(_book(101, 100, bids=[["8476.97", "NaN", "0", "1"]]), 6)
    assert [type(item) for item in items] == [Rejected, Gap, Resubscribe]


def test_an_unknown_action_is_rejected() -> None:
    assert _one(_session(), _book(1, -1, action="replace")).reason == "value"


def test_the_venues_documented_checksum_example() -> None:
    # one bid and three asks give the text "3366.1:7:3366.8:9:3368:8:3372:8"
    row = {
        "bids": [["3366.1", "7", "0", "3"]],
        "asks": [["3366.8", "9", "10", "3"], ["3368", "8", "3", "4"], ["3372", "8", "3", "4"]],
        "ts": "1597026383085",
        "checksum": 831078360,
    }
    session = _session()
    session.receive(_frame("books", row, action="snapshot"), 5)
    assert (session.checks.checksums_verified, session.checks.checksums_failed) == (1, 0)


def _liquidation(native, *details, kind="SWAP"):
    row = {"details": details, "instId": native, "instType": kind, "uly": "BTC-USDT"}
    return json.dumps({"arg": {"channel": "liquidation-orders", "instType": kind}, "data": [row]}).encode()


def test_every_row_of_a_liquidation_counts_and_a_buy_closes_a_short() -> None:
    rows = [
        {
            "side": "buy",
            "posSide": "short",
            "bkPx": "82655.7",
            "sz": "8.55",
            "bkLoss": "0",
            "ccy": "",
            "ts": "1791565600771",
        },
        {"side": "buy", "posSide": "short", "bkPx": "x", "sz": "1", "ts": "1791565600771"},
        {"side": "sell", "posSide": "long", "bkPx": "82000", "sz": "100", "ts": "1791565600772"},
    ]
    first, bad, second = _session().receive(_liquidation("BTC-USDT-SWAP", *rows), 5)
    assert first == Liquidation(
        venue="okx",
        symbol="BTC-USDT-PERP",
        event_ns=1_791_565_600_771_000_000,
        received_ns=5,
        origin=Origin.SIMULATED,
        price=82655.7,
        size=8.55 * 0.01,
        liquidated=PositionSide.SHORT,
    )
    assert bad.reason == "value"
    assert (second.liquidated, second.size) == (PositionSide.LONG, 1.0)


def test_liquidations_of_other_instruments_are_passed_over() -> None:
    row = {"side": "buy", "bkPx": "1", "sz": "1", "ts": "1791565600771"}
    assert _session().receive(_liquidation("DOGE-USDT-SWAP", row), 5) == []
    assert _session(symbols=("BTC-USDT",)).receive(_liquidation("BTC-USDT-SWAP", row), 5) == []
    (item,) = _session(symbols=()).receive(_liquidation("DOGE-USDT-SWAP", row), 5)
    assert item.reason == "unknown_instrument"


def test_funding_is_a_fraction_paid_at_the_funding_time() -> None:
    assert _one(_session(), _frame("funding-rate", FUNDING)) == FundingRate(
        venue="okx",
        symbol="BTC-USDT-PERP",
        event_ns=1_790_757_122_992_000_000,
        received_ns=5,
        origin=Origin.SIMULATED,
        rate=0.0000252378080097,
        interval_s=8 * 3600,
        next_funding_ns=1_790_784_000_000_000_000,
    )


def test_old_funding_frames_lack_times_and_some_lack_the_rate() -> None:
    old = {name: FUNDING[name] for name in ("fundingRate", "fundingTime", "instId")}
    funding = _one(_session(), _frame("funding-rate", old))
    assert (funding.event_ns, funding.interval_s) == (5, None)
    assert _session().receive(_frame("funding-rate", old), 0)[0].reason == "value"  # nobody knows when
    assert _one(_session(), _frame("funding-rate", FUNDING | {"fundingRate": ""})).reason == "value"


def test_marks_and_open_interest() -> None:
    mark = _one(
        _session(), _frame("mark-price", {"instId": "BTC-USDT-SWAP", "markPx": "83003.8", "ts": "1790757203016"})
    )
    assert isinstance(mark, MarkPrice)
    assert mark.price == 83003.8
    row = {
        "instId": "BTC-USDT-SWAP",
        "oi": "2874486.99",
        "oiCcy": "28744.8699",
        "oiUsd": "2385812703.75",
        "ts": "1790757195759",
    }
    interest = _one(_session(), _frame("open-interest", row))
    assert isinstance(interest, OpenInterest)
    assert (interest.contracts, interest.base, interest.notional) == (2874486.99, 28744.8699, None)
    dollars = _one(_session(), _frame("open-interest", row | {"instId": "BTC-USD-SWAP"}))
    assert dollars.notional == 2385812703.75


def _print(number, count, ts="1630048897897"):
    return TRADE | {"tradeId": str(number), "count": str(count), "ts": ts}


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        ([(100, 3), (101, 1), (105, 4)], []),  # 101..101 and 102..105 follow each other
        ([(100, 3), (105, 4)], [("101", "101")]),
        ([(100, 1), (110, 1), (112, 2)], [("101", "109")]),
        ([(100, 1), (103, 1), (102, 2), (104, 1)], [("101", "102")]),  # the late one is no second loss
    ],
)
def test_an_aggregate_that_does_not_continue_the_last_one_opens_a_hole(rows, missing):
    items = _session().receive(_frame("trades", *(_print(*row) for row in rows)), 5)
    holes = [item for item in items if isinstance(item, Gap)]
    assert [(hole.first_missing, hole.last_missing) for hole in holes] == missing
    assert all((hole.stream, hole.cause, hole.recovered) == ("trades", "sequence", False) for hole in holes)
    assert [item.trade_id for item in items if isinstance(item, Trade)] == [str(number) for number, _ in rows]


def test_frames_without_a_count_cannot_tell_and_open_no_hole():
    rows = [{key: value for key, value in _print(number, 1).items() if key != "count"} for number in (100, 200)]
    assert not [item for item in _session().receive(_frame("trades", *rows), 5) if isinstance(item, Gap)]


@pytest.mark.parametrize("channel", ["trades", "mark-price", "funding-rate", "open-interest"])
def test_instruments_nobody_asked_for_are_passed_over(channel) -> None:
    row = TRADE | FUNDING | {"markPx": "1", "oi": "1", "oiCcy": "1", "instId": "BTC-USDT-SWAP"}
    assert _session(symbols=("BTC-USDT",)).receive(_frame(channel, row), 5) == []
    assert _session(symbols=("BTC-USDT",)).receive(_book(1, -1, "BTC-USDT-SWAP", "snapshot"), 5) == []


def test_control_frames() -> None:
    session = _session()
    ack = b'{"id":"s0","event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"}'
    assert session.receive(ack, 5) == [Acknowledged(channel="books:BTC-USDT")]
    ack = b'{"event":"subscribe","arg":{"channel":"liquidation-orders","instType":"SWAP"},"connId":"a4d3ae55"}'
    assert session.receive(ack, 5) == [Acknowledged(channel="liquidation-orders:SWAP")]
    assert session.receive(b'{"event":"unsubscribe","arg":{"channel":"books","instId":"BTC-USDT"}}', 5) == []
    notice = b'{"event":"notice","code":"64008","msg":"upgrade soon","connId":"a4d3ae55"}'
    assert session.receive(notice, 5) == [Rotate(cause="upgrade soon")]
    assert session.receive(b'{"event":"notice","code":"1","msg":"hello"}', 5) == []
    (error,) = session.receive(b'{"id":"s0","event":"error","code":"60018","msg":"no such channel"}', 5)
    assert (error.reason, error.detail) == ("error_frame", "error 60018 no such channel")
    assert session.receive(b"pong", 5) == []
    assert session.receive(b"ping", 5) == [Reply(frame=b"pong")]


def test_rest_snapshots_are_no_base_for_the_stream() -> None:
    (item,) = _session().snapshot("BTC-USDT", b'{"code":"0"}', 5)
    assert item.reason == "unexpected"


@pytest.mark.parametrize("channel", ["tickers", "bbo-tbt", "candle1m", "trades-all"])
def test_known_channels_that_are_not_read_are_counted(channel) -> None:
    session = _session()
    assert session.receive(_frame(channel, {}), 5) == []
    assert session.checks.ignored == 1


BAD = [
    (b'{"arg":{"channel":"trades","in', "decode"),
    (b'{"arg":{"channel":"\xff"},"data":[]}', "decode"),
    (b"", "decode"),
    (b"[" * 100_000, "value"),
    (b'{"data":' + b"[" * 100_000, "decode"),
    (b"[]", "value"),
    (b"{}", "unknown_channel"),
    (_frame("something-new", {}), "unknown_channel"),
    (b"x" * (16 * 1024 * 1024), "oversize"),
    (b" " * (FRAME_LIMIT + 1), "oversize"),
    (b'{"arg":{"channel":"trades"},"data":{}}', "value"),
    (b'{"arg":7,"data":[]}', "value"),
    (_frame("trades", 7), "value"),
    (_frame("trades", {}), "value"),
    (_frame("trades", TRADE | {"sz": "0"}), "value"),
    (_frame("trades", TRADE | {"sz": "-3"}), "value"),
    (_frame("trades", TRADE | {"sz": "Infinity"}), "value"),
    (_frame("trades", TRADE | {"px": "NaN"}), "value"),
    (_frame("trades", TRADE | {"px": ""}), "value"),
    (_frame("trades", TRADE | {"side": "both"}), "value"),
    (_frame("trades", TRADE | {"tradeId": "a-b"}), "value"),
    (_frame("trades", TRADE | {"ts": "1630048897"}), "value"),
    (_frame("trades", TRADE | {"instId": "DOGE-USDT"}), "unknown_instrument"),
    (_book(1, -1, "DOGE-USDT", "snapshot"), "unknown_instrument"),
    (_frame("funding-rate", FUNDING | {"fundingRate": "NaN"}), "value"),
    (_frame("funding-rate", FUNDING | {"nextFundingTime": "soon"}), "value"),
]


@pytest.mark.parametrize(("frame", "reason"), BAD, ids=range(len(BAD)))
def test_bad_input_is_rejected_with_its_reason_and_the_session_lives_on(frame, reason) -> None:
    session = _session()
    (item,) = session.receive(frame, 5)
    assert isinstance(item, Rejected)
    assert item.reason == reason
    assert len(item.payload) <= PAYLOAD_LIMIT
    assert isinstance(_one(session, _frame("trades", TRADE)), Trade)


def test_one_topic_is_joined_again_by_its_own_arguments() -> None:
    plan = Plan(url="wss://okx", symbols=EVERYTHING, streams=tuple(Stream))
    again = Okx().session(plan, INSTRUMENTS, Origin.LIVE).resubscribe

    def asked(stream: Stream) -> list[tuple[str, list[tuple[str, str]]]]:
        frames = [json.loads(frame) for frame in again("BTC-USDT-PERP", stream)]
        return [(frame["op"], [(arg["channel"], arg["instId"]) for arg in frame["args"]]) for frame in frames]

    for stream, channel in ((Stream.BOOKS, "books"), (Stream.TRADES, "trades")):
        args = [(channel, "BTC-USDT-SWAP")]
        assert asked(stream) == [("unsubscribe", args), ("subscribe", args)]
    assert asked(Stream.LIQUIDATIONS) == []  # one subscription for all swaps: not to be left for one of them
    assert again("ETH-USDT", Stream.BOOKS) == ()
