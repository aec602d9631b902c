"""CoinAPI's messages, as recorded and as the vendor documents them, with values computed by hand."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.codec import decode, encode
from libs.common.events import BookDelta, BookSnapshot, Gap, MarketEvent, Origin, Side, Trade
from libs.common.events.symbols import perpetual, spot
from services.ingest.venues import Coinapi
from services.ingest.venues.coinapi_stream import CoinapiSession
from services.ingest.venues.terms import Acknowledged, Heard, Instrument, Plan, Reconnect, Rejected, Rotate, Stream

NATIVE = "COINBASE_SPOT_BTC_USD"
BTC = Instrument(symbol="BTC-USD", native=NATIVE, kind=spot("BTC", "USD"), tick=0.01, lot=1e-8)
BITSTAMP = Instrument(symbol="BTC-USD", native="BITSTAMP_SPOT_BTC_USD", kind=spot("BTC", "USD"), tick=0.01, lot=1e-8)
PERP = Instrument(
    symbol="ETH-USDT-PERP",
    native="OKEX_PERP_ETH_USDT",
    kind=perpetual("ETH", "USDT"),
    tick=0.01,
    lot=0.1,
    contract_size=0.1,
)
CATALOGUE = {one.native: one for one in (BTC, BITSTAMP, PERP)}
SECOND = 1_000_000_000
RECORDED_TRADE = (
    b'{"time_exchange":"2026-09-25T01:29:06.0656180Z","time_coinapi":"2026-09-25T01:29:06.1438272Z",'
    b'"uuid":"c2519dfb-79a6-40e9-a1c8-a95d94209399","price":84520.02,"size":0.00000004,"taker_side":"SELL",'
    b'"symbol_id":"COINBASE_SPOT_BTC_USD","sequence":1507,"type":"trade"}'
)


def session_of(*symbols: str, **options: Any) -> CoinapiSession:
    return CoinapiSession(Plan(url="", symbols=symbols, streams=()), CATALOGUE, Origin.LIVE, **options)


def hear(session: CoinapiSession, frame: bytes, received_ns: int = 7) -> list[Any]:
    return list(session.receive(frame, received_ns))


def say(session: CoinapiSession, received_ns: int = 7, **message: Any) -> list[Any]:
    """Have the session read a message; the tests say what its items are."""
    return hear(session, json.dumps(message).encode(), received_ns)


def trade(sequence: int, native: str = NATIVE, **other: Any) -> dict[str, Any]:
    return {
        "type": "trade",
        "symbol_id": native,
        "sequence": sequence,
        "time_exchange": f"2026-09-25T01:29:06.{sequence:07}Z",
        "time_coinapi": "2026-09-25T01:29:07.0000000Z",
        "uuid": f"u{sequence}",
        "price": 100.0,
        "size": 2.0,
        "taker_side": "BUY",
        **other,
    }


def levels(sizes: dict[float, float]) -> list[dict[str, float]]:
    return [{"price": price, "size": size} for price, size in sizes.items()]


def book(sequence: int, bids=None, asks=None, *, whole: bool | None = None, kind="book", native=NATIVE, ms=None):
    said = {
        "type": kind,
        "symbol_id": native,
        "sequence": sequence,
        "time_exchange": f"2026-09-25T01:29:06.{sequence if ms is None else ms * 10_000:07}Z",
        "bids": levels(bids or {}),
        "asks": levels(asks or {}),
    }
    return said if whole is None else said | {"is_snapshot": whole}


def test_the_recorded_trade_keeps_every_digit() -> None:
    (event,) = hear(session_of("BTC-USD"), RECORDED_TRADE)
    assert event == Trade(
        venue="coinapi",
        symbol="BTC-USD",
        # 2026-09-25T01:29:06Z is 1790299746 by `date -ud`; seven digits of fraction are tenths of microseconds
        event_ns=1_790_299_746_065_618_000,
        received_ns=7,
        price=84520.02,
        size=4e-8,
        side=Side.SELL,
        trade_id="c2519dfb-79a6-40e9-a1c8-a95d94209399",
    )


def test_the_documented_book() -> None:
    session = session_of()
    (event,) = say(
        session,
        type="book",
        symbol_id="BITSTAMP_SPOT_BTC_USD",
        sequence=2323346,
        time_exchange="2013-09-28T22:40:50.0000000Z",
        time_coinapi="2017-03-18T22:42:21.3763342Z",
        is_snapshot=True,
        asks=[{"price": 456.35, "size": 123}, {"price": 456.36, "size": 23}],
        bids=[{"price": 456.10, "size": 42}, {"price": 456.09, "size": 5}],
    )
    assert event == BookSnapshot(
        venue="coinapi",
        symbol="BTC-USD",
        event_ns=1_380_408_050 * SECOND,
        received_ns=7,
        bids=((456.10, 42.0), (456.09, 5.0)),
        asks=((456.35, 123.0), (456.36, 23.0)),
        sequence=2323346,
    )
    assert session.book("BTC-USD") == event


def test_the_documented_quote_is_ignored_and_so_are_candles() -> None:
    session = session_of()
    assert say(session, type="quote", symbol_id="BITSTAMP_SPOT_BTC_USD", sequence=2323346, ask_price=770.0) == []
    assert say(session, type="ohlcv", symbol_id=NATIVE, sequence=1, period_id="1SEC") == []
    assert session.checks.ignored == 2


def test_contracts_become_base_units() -> None:
    session = session_of()
    (event,) = say(session, **trade(1, PERP.native, size=25))
    assert event.size == 2.5
    (whole,) = say(session, **book(1, {100: 30}, {101: 5}, whole=True, native=PERP.native))
    assert (whole.bids, whole.asks) == (((100.0, 3.0),), ((101.0, 0.5),))


@pytest.mark.parametrize("side", ["BUY_ESTIMATED", "SELL_ESTIMATED", "UNKNOWN"])
def test_a_taker_that_is_guessed_or_unknown_makes_no_trade(side) -> None:
    session = session_of()
    assert say(session, **trade(1, taker_side=side)) == [Heard(stream=Stream.TRADES, symbol=BTC.symbol)]
    assert (session.checks.unsided, session.checks.non_market) == (1, 0)
    assert [type(item) for item in say(session, **trade(2))] == [Trade]  # its number was counted: no hole


def test_size_zero_marks_an_index() -> None:
    session = session_of()
    assert say(session, **trade(1, size=0)) == [Heard(stream=Stream.TRADES, symbol=BTC.symbol)]
    assert (session.checks.unsided, session.checks.non_market) == (0, 1)


def test_a_hole_in_the_count_of_trades_is_a_gap_before_the_trade() -> None:
    session = session_of()
    say(session, **trade(5))
    gap, event = say(session, **trade(8))
    assert isinstance(gap, Gap)
    assert (gap.stream, gap.cause, gap.recovered, gap.first_missing) == ("trades", "sequence", False, None)
    assert gap.to_ns - gap.from_ns == 300  # sequences 5 and 8 stand in the seventh digit: 300 ns
    assert event.trade_id == "u8"
    assert session.checks.sequence_gaps == 1


def test_a_repeated_trade_is_dropped_and_a_count_that_begins_anew_is_a_gap() -> None:
    session = session_of()
    say(session, **trade(5))
    assert say(session, **trade(5)) == []
    assert session.checks.stale == 1
    assert [type(item) for item in say(session, **trade(1))] == [Gap, Trade]
    assert [type(item) for item in say(session, **trade(2))] == [Trade]


def test_numbers_are_counted_for_each_type_and_symbol_and_begin_with_the_connection() -> None:
    session = session_of()
    items = [
        *say(session, **trade(700)),
        *say(session, **trade(3, PERP.native)),
        *say(session, **book(9, {99: 1}, {101: 1}, whole=True)),
        *say(session, **trade(701)),
        *hear(session_of(), RECORDED_TRADE),
    ]
    assert [type(item) for item in items] == [Trade, Trade, BookSnapshot, Trade, Trade]


def test_changes_before_the_first_snapshot_mean_nothing() -> None:
    session = session_of()
    assert say(session, **book(1, {99: 5}, whole=False)) == []
    assert session.book("BTC-USD") is None
    (whole,) = say(session, **book(2, {98: 1}, {101: 1}, whole=True))
    assert (whole.bids, whole.sequence) == (((98.0, 1.0),), 2)


def test_a_snapshot_that_does_not_come_ends_the_connection() -> None:
    session = session_of()
    assert say(session, 10 * SECOND, **book(1, {99: 5}, whole=False)) == []
    assert say(session, 39 * SECOND, **book(2, {99: 5}, whole=False)) == []
    assert say(session, 40 * SECOND, **book(3, {99: 5}, whole=False)) == [Reconnect(cause="start")]
    assert say(session, 41 * SECOND, **book(4, {99: 5}, whole=False)) == []  # said once


def test_changes_set_and_remove_levels() -> None:
    session = session_of()
    say(session, **book(4, {99: 1, 98: 2}, {101: 1}, whole=True))
    (delta,) = say(session, **book(5, {99: 0, 97: 3}, {101: 1e-8}, whole=False))
    assert isinstance(delta, BookDelta)
    assert (delta.first_sequence, delta.last_sequence) == (5, 5)
    assert delta.bids == ((99.0, 0.0), (97.0, 3.0))
    now = session.book("BTC-USD")
    assert now is not None
    assert (now.bids, now.asks, now.sequence) == (((98.0, 2.0), (97.0, 3.0)), ((101.0, 1e-8),), 5)


def test_a_hole_loses_the_book_once_and_asks_for_a_new_connection() -> None:
    session = session_of()
    say(session, **book(4, {99: 1}, {101: 1}, whole=True))
    gap, wish = say(session, **book(7, {99: 2}, whole=False))
    assert isinstance(gap, Gap)
    assert (gap.stream, gap.cause, gap.first_missing, gap.last_missing) == ("books", "sequence", "5", "6")
    assert wish == Reconnect(cause="sequence")
    assert session.book("BTC-USD") is None
    assert say(session, **book(8, {99: 2}, whole=False)) == []
    assert session.checks.sequence_gaps == 1


def test_a_whole_book_heals_its_own_hole() -> None:
    session = session_of()
    say(session, **book(4, {99: 1}, {101: 1}, kind="book20"))
    opened, whole, closed = say(session, **book(7, {98: 1}, {101: 1}, kind="book20"))
    assert isinstance(opened, Gap)
    assert isinstance(closed, Gap)
    assert (opened.recovered, closed.recovered) == (False, True)
    assert whole.bids == ((98.0, 1.0),)
    (again,) = say(session, **book(8, {97: 1}, kind="book20"))
    assert (again.bids, again.asks) == (((97.0, 1.0),), ())  # a side may be empty


@pytest.mark.parametrize("kind", ["book5", "book20", "book50"])
def test_best_levels_come_whole_each_time(kind) -> None:
    session = session_of()
    for sequence in (1, 2):
        (whole,) = say(session, **book(sequence, {100 - sequence: 1}, {101: 1}, kind=kind))
        assert whole.bids == ((100.0 - sequence, 1.0),)
    assert say(session, **book(2, {5: 1}, kind=kind)) == []
    assert session.checks.stale == 1


def test_the_first_book_type_is_followed_and_the_others_ignored() -> None:
    session = session_of()
    say(session, **book(1, {99: 1}, {101: 1}, kind="book5"))
    assert say(session, **book(1, {50: 1}, whole=True)) == []
    assert session.checks.ignored == 1


def test_bids_may_meet_asks_for_a_moment_but_no_longer() -> None:
    session = session_of()
    say(session, **book(1, {99: 1}, {101: 1}, whole=True, ms=0))
    assert [type(item) for item in say(session, **book(2, {101: 1}, whole=False, ms=10))] == [BookDelta]
    assert session.checks.books_crossed == 1
    late = book(3, {98: 1}, whole=False) | {"time_exchange": "2026-09-25T01:29:07.0100000Z"}
    gap, wish = say(session, **late)
    assert (gap.cause, wish) == ("crossed", Reconnect(cause="crossed"))
    crossed = book(4, {102: 1}, {101: 1}, whole=True) | {"time_exchange": "2026-09-25T01:29:08.0000000Z"}
    assert [type(item) for item in say(session, **crossed)] == [BookSnapshot, Gap]  # a moment again
    crossed |= {"sequence": 5, "time_exchange": "2026-09-25T01:29:09.0000000Z"}
    assert [item.cause for item in say(session, 40 * SECOND, **crossed)] == ["crossed", "crossed"]
    assert session.book("BTC-USD") is None


def test_a_change_that_cannot_be_read_is_rejected_and_loses_the_book() -> None:
    session = session_of()
    say(session, **book(1, {99: 1}, {101: 1}, whole=True))
    bad, gap, wish = say(session, **book(2, {99: -1}, whole=False))
    assert (bad.reason, gap.cause, wish) == ("value", "value", Reconnect(cause="value"))
    assert say(session, **book(3, {99: 1}))[0].reason == "value"  # does not say whether it is whole


def test_a_trade_that_cannot_be_read_leaves_a_hole() -> None:
    session = session_of()
    say(session, **trade(1))
    assert [item.reason for item in say(session, **trade(2, price="x"))] == ["value"]
    assert [type(item) for item in say(session, **trade(3))] == [Gap, Trade]


@pytest.mark.parametrize("spelling", ["hearbeat", "heartbeat"])
def test_the_first_heartbeat_confirms_the_hello(spelling) -> None:
    session = session_of()
    assert say(session, type=spelling) == [Acknowledged(channel="hello")]
    assert say(session, type=spelling) == []


def test_the_vendor_announces_the_end() -> None:
    said: dict[str, Any] = {"type": "reconnect", "within_seconds": 10, "before_time": "2026-09-25T01:29:07.0000000Z"}
    assert say(session_of(), **said) == [Rotate(cause="reconnect")]


def test_an_error_is_rejected_without_the_key_in_it() -> None:
    session = session_of(secret="S3CRET")
    (item,) = say(session, type="error", message="Invalid API key S3CRET")
    assert (item.reason, item.detail) == ("error_frame", "Invalid API key ***")
    assert b"S3CRET" not in item.payload
    (item,) = hear(session, b"S3CRET")
    assert (item.reason, item.payload) == ("decode", b"***")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"\xff\xfe", "decode"),
        (b'{"deep":' + b"[" * 100_000, "decode"),
        (b"[]", "value"),
        (b'{"type":7}', "value"),
        (b"{}", "unknown_channel"),
        (b'{"type":"gossip"}', "unknown_channel"),
        (b'{"type":"trade","symbol_id":"X_SPOT_A_B"}', "unknown_instrument"),
        (b'{"type":"trade","symbol_id":"' + NATIVE.encode() + b'"}', "value"),
        (b" " * (4 * 2**20 + 1), "oversize"),
        (json.dumps(trade(1, size=float("nan"))).encode(), "decode"),
        (json.dumps(trade(1, size=-1)).encode(), "value"),
        (json.dumps(trade(1, price=0)).encode(), "value"),
        (json.dumps(trade(1, time_exchange="2026-02-30T00:00:00.0000000Z")).encode(), "value"),
        (json.dumps(trade(1, time_exchange="1999-02-03T00:00:00.0000000Z")).encode(), "value"),
        (json.dumps(trade(1, time_exchange="2026-02-03T00:00:00.0000000Z\n")).encode(), "value"),
        (json.dumps(trade(1, time_exchange="2026-02-03T00:00:00.0000000")).encode(), "value"),
        (json.dumps(trade(1, taker_side="MAYBE")).encode(), "value"),
        (json.dumps(trade(1, uuid="")).encode(), "value"),
    ],
)
def test_what_cannot_be_read_is_rejected_by_reason(frame, reason) -> None:
    session = session_of()
    (item,) = hear(session, frame)
    assert isinstance(item, Rejected)
    assert item.reason == reason
    assert len(item.payload) <= 4096
    assert [type(one) for one in say(session, **trade(1))] == [Trade]


def test_what_nobody_asked_for_is_ignored_and_a_second_exchange_is_refused() -> None:
    session = session_of("BTC-USD")
    assert say(session, **trade(1, PERP.native)) == []
    assert session.checks.ignored == 1
    say(session, **trade(1))
    (item,) = say(session, **trade(1, BITSTAMP.native))
    assert (item.reason, item.detail) == ("unexpected", f"BTC-USD is {NATIVE} here, not {BITSTAMP.native}")


def test_a_snapshot_by_rest_is_nobodys() -> None:
    items: list[Any] = session_of().snapshot("BTC-USD", b"{}", 1)
    assert [item.reason for item in items] == ["unexpected"]


def test_the_hello_replaces_everything_and_matches_whole_names() -> None:
    venue = Coinapi(api_key="S3CRET", book_channel="book20")
    (plan,) = venue.plan([BTC, PERP], tuple(Stream))
    (hello,) = venue.session(plan, CATALOGUE, Origin.LIVE).subscribe()
    assert json.loads(hello) == {
        "type": "hello",
        "heartbeat": True,
        "subscribe_data_type": ["trade", "book20"],
        "subscribe_filter_symbol_id": [f"{NATIVE}$", "BITSTAMP_SPOT_BTC_USD$", f"{PERP.native}$"],
    }  # this catalogue has two exchanges on purpose; a live one has one


_sides = st.dictionaries(st.integers(1, 9), st.integers(0, 3), max_size=3)


class Reader:
    """Follows the book as a reader of the topic would."""

    def __init__(self) -> None:
        self.sides: tuple[dict[float, float], dict[float, float]] | None = None
        self.sequence = 0

    def take(self, items: list[Any]) -> None:
        for item in items:
            if isinstance(item, MarketEvent):
                assert decode(encode(item)) == item
            if isinstance(item, BookSnapshot):
                self.sides, self.sequence = (dict(item.bids), dict(item.asks)), item.sequence
            elif isinstance(item, BookDelta):
                assert self.sides is not None
                assert item.first_sequence == self.sequence + 1
                for side, said in zip(self.sides, (item.bids, item.asks), strict=True):
                    side.update(said)
                    for price in [price for price, size in side.items() if not size]:
                        del side[price]
                self.sequence = item.last_sequence


@given(
    changes=st.lists(st.tuples(_sides, _sides), min_size=1, max_size=30),
    order=st.lists(st.integers(0, 30), max_size=60),
)
def test_drops_repeats_and_reorders_never_publish_a_wrong_book(changes, order) -> None:
    """The reader's book equals the venue's at the published sequence, whatever was lost, repeated or swapped."""
    now: tuple[dict[float, float], dict[float, float]] = ({1.0: 1.0}, {101.0: 1.0})
    truth = {1: now}
    frames = [book(1, *now, whole=True)]
    for sequence, (down, up) in enumerate(changes, start=2):
        step = {float(p): float(s) for p, s in down.items()}, {100.0 + p: float(s) for p, s in up.items()}
        merged = [{p: s for p, s in (side | said).items() if s} for side, said in zip(now, step, strict=True)]
        now = truth[sequence] = merged[0], merged[1]
        whole = sequence % 7 == 0
        frames.append(book(sequence, *(now if whole else step), whole=whole))
    session, reader = session_of(), Reader()
    for position in [0, *order]:
        if position >= len(frames):
            continue
        reader.take(say(session, **frames[position]))
        current = session.book("BTC-USD")
        if current is not None:
            assert (dict(current.bids), dict(current.asks)) == reader.sides == truth[reader.sequence]
            assert current.sequence == reader.sequence
