"""Hyperliquid's frames, as the venue sent and documented them, and what each leads to; values by hand."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import (
    BookSnapshot,
    FundingRate,
    Gap,
    MarkPrice,
    OpenInterest,
    Origin,
    Side,
    Trade,
)
from libs.common.events.symbols import perpetual
from services.ingest.venues import Hyperliquid
from services.ingest.venues.hyperliquid_stream import HyperliquidSession
from services.ingest.venues.terms import Acknowledged, Heard, Instrument, Plan, Rejected, Resubscribe, Stream

BTC = Instrument(symbol="BTC-USDC-PERP", native="BTC", kind=perpetual("BTC", "USDC"), tick=0.1, lot=1e-5)
KPEPE = Instrument(symbol="1000PEPE-USDC-PERP", native="kPEPE", kind=perpetual("1000PEPE", "USDC"), tick=1e-6, lot=1.0)
NOW = 1_790_232_237_000_000_000
T = 1790232236546

# Sent by the venue on 2026-09-24; levels cut to three a side.
BOOK = {"channel": "l2Book", "data": {"coin": "BTC", "time": T, "levels": [
    [{"px": "84143.0", "sz": "10.25923", "n": 36}, {"px": "84142.0", "sz": "1.65875", "n": 7},
     {"px": "84141.0", "sz": "1.12923", "n": 2}],
    [{"px": "84144.0", "sz": "50.66449", "n": 18}, {"px": "84150.0", "sz": "0.00711", "n": 2},
     {"px": "84151.0", "sz": "0.01782", "n": 1}]]}}  # fmt: skip
KBOOK = {"channel": "l2Book", "data": {"coin": "kPEPE", "time": T, "levels": [
    [{"px": "0.004411", "sz": "2058973.0", "n": 5}], [{"px": "0.004413", "sz": "5803647.0", "n": 11}]]}}  # fmt: skip
CONTEXT: dict[str, Any] = {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": {
    "funding": "0.0000018952", "openInterest": "36585.31848", "prevDayPx": "86627.0",
    "dayNtlVlm": "4161029539.6949653625", "premium": "-0.0006413454", "oraclePx": "84198.0", "markPx": "84148.0",
    "midPx": "84143.5", "impactPxs": ["84143.0", "84144.0"], "dayBaseVlm": "49116.08533"}}}  # fmt: skip
TRADE = {"coin": "BTC", "side": "A", "px": "84143.0", "sz": "0.00036", "time": 1790232216193,
         "hash": "0x7ab608dad75f7ce37c2f044516391f02023a00c072529bb51e7eb42d965356ce", "tid": 1045359869404765,
         "users": ["0x9aa589355bf745db9784c8ef3c646360f11b58af", "0x8269c0a4"]}  # fmt: skip


def session(*symbols: str, book_channel="book20") -> HyperliquidSession:
    plan = Plan(url="wss://x/ws", symbols=symbols, streams=())
    made = Hyperliquid(book_channel=book_channel).session(plan, {"BTC": BTC, "kPEPE": KPEPE}, Origin.LIVE)
    assert isinstance(made, HyperliquidSession)
    return made


def said(one: HyperliquidSession, frame: Any, received_ns: int = NOW) -> list[Any]:
    return one.receive(frame if isinstance(frame, bytes) else json.dumps(frame).encode(), received_ns)


def trades(*rows: Any) -> dict[str, Any]:
    return {"channel": "trades", "data": list(rows)}


def book(time: int, bid: str = "100", ask: str = "101", coin: str = "BTC") -> dict[str, Any]:
    sides = [[{"px": bid, "sz": "1", "n": 1}], [{"px": ask, "sz": "2", "n": 1}]]
    return {"channel": "l2Book", "data": {"coin": coin, "time": time, "levels": sides}}


def context(**fields: Any) -> dict[str, Any]:
    return {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": CONTEXT["data"]["ctx"] | fields}}


def test_a_trade_as_the_venue_sent_it() -> None:
    """ "B = Bid = Buy, A = Ask = Short. Side is aggressing side for trades"; (block_time, coin, tid) is unique."""
    assert said(session(), trades(TRADE)) == [
        Trade(
            venue="hyperliquid",
            symbol="BTC-USDC-PERP",
            event_ns=1790232216193000000,
            received_ns=NOW,
            price=84143.0,
            size=0.00036,
            side=Side.SELL,
            trade_id="1790232216193-1045359869404765",
        )
    ]
    (bought,) = said(session(), trades(TRADE | {"side": "B"}))
    assert bought.side is Side.BUY


def test_the_first_frame_of_a_subscription_leaves_oldest_first() -> None:
    """Trades from before the subscription; of one block in the order of the rows, whichever way these run."""
    rows = [TRADE | {"time": T + late, "tid": tid} for late, tid in ((5, 4), (3, 3), (3, 2), (0, 1))]
    for frame in (rows, rows[::-1]):
        assert [one.trade_id.split("-")[1] for one in said(session(), trades(*frame))] == ["1", "2", "3", "4"]


def test_one_bad_row_loses_nobody_else() -> None:
    good, other = TRADE, TRADE | {"tid": 2}
    for bad, reason in (
        (TRADE | {"side": "C"}, "value"),
        (TRADE | {"sz": "0.0"}, "value"),
        (TRADE | {"px": "NaN"}, "value"),
        (TRADE | {"time": 1790232216}, "value"),
        (TRADE | {"tid": -1}, "value"),
        (TRADE | {"coin": "xyz:TSLA"}, "unknown_instrument"),
        (7, "value"),
    ):
        first, second, reject = said(session(), trades(good, bad, other))
        assert (first.trade_id, second.trade_id) == ("1790232216193-1045359869404765", "1790232216193-2")
        assert (reject.reason, json.loads(reject.payload)) == (reason, bad)


def test_a_book_as_the_venue_sent_it() -> None:
    one = session()
    assert said(one, BOOK) == [
        BookSnapshot(
            venue="hyperliquid",
            symbol="BTC-USDC-PERP",
            event_ns=T * 1_000_000,
            received_ns=NOW,
            bids=((84143.0, 10.25923), (84142.0, 1.65875), (84141.0, 1.12923)),
            asks=((84144.0, 50.66449), (84150.0, 0.00711), (84151.0, 0.01782)),
            sequence=T,
        )
    ]
    assert one.book("BTC-USDC-PERP") == said(session(), BOOK)[0]
    assert one.book("1000PEPE-USDC-PERP") is None
    (by_the_thousand,) = said(one, KBOOK)
    assert (by_the_thousand.symbol, by_the_thousand.bids) == ("1000PEPE-USDC-PERP", ((0.004411, 2058973.0),))


def test_each_message_replaces_the_book_and_the_sequence_only_rises() -> None:
    one = session()
    first, second, moved = (
        said(one, book(time, bid=bid)) for time, bid in ((T, "99"), (T + 5000, "98"), (T + 5000, "97"))
    )
    assert [items[0].sequence for items in (first, second, moved)] == [T, T + 5000, T + 5001]
    assert [items[0].bids for items in (first, second, moved)] == [((99.0, 1.0),), ((98.0, 1.0),), ((97.0, 1.0),)]
    assert said(one, book(T + 5000, bid="97")) == []  # the same again
    assert said(one, book(T + 4999)) == []  # late
    assert one.checks.stale == 2
    assert one.checks.sequence_gaps == 0
    (again,) = said(one, book(T + 9000, bid="97"))  # unchanged, but true at a later time
    assert again.event_ns == (T + 9000) * 1_000_000


def test_an_empty_side_is_a_book_too() -> None:
    (empty,) = said(session(), {"channel": "l2Book", "data": {"coin": "BTC", "time": T, "levels": [[], []]}})
    assert (empty.bids, empty.asks) == ((), ())


def test_no_more_than_twenty_levels_a_side_are_kept() -> None:
    sides = [
        [{"px": str(price), "sz": "1", "n": 1} for price in prices] for prices in (range(60, 30, -1), range(61, 91))
    ]
    (deep,) = said(session(), {"channel": "l2Book", "data": {"coin": "BTC", "time": T, "levels": sides}})
    assert [price for price, _ in deep.bids] == list(range(60, 40, -1))
    assert [price for price, _ in deep.asks] == list(range(61, 81))


@pytest.mark.parametrize(
    ("channel", "named"),
    [("book20", {"type": "l2Book", "coin": "BTC"}), ("book5", {"type": "l2Book", "coin": "BTC", "fast": True})],
)
def test_a_book_that_cannot_be_is_lost_until_the_next_message(channel, named) -> None:
    crossed = book(T + 1, bid="102")
    damaged = {"channel": "l2Book", "data": {"coin": "BTC", "time": T + 1, "levels": [[{"px": "x", "sz": "1"}], []]}}
    for bad, cause in ((crossed, "crossed"), (damaged, "value")):
        one = session(book_channel=channel)
        said(one, book(T))
        items = said(one, bad)
        gap = next(item for item in items if isinstance(item, Gap))
        wish = next(item for item in items if isinstance(item, Resubscribe))
        assert (gap.cause, gap.stream, gap.from_ns, gap.recovered) == (cause, "books", T * 1_000_000, False)
        assert [json.loads(frame) for frame in wish.frames] == [
            {"method": "unsubscribe", "subscription": named},
            {"method": "subscribe", "subscription": named},
        ]
        assert any(isinstance(item, Rejected) for item in items) == (cause == "value")
        assert not any(isinstance(item, BookSnapshot) for item in items)
        assert one.book("BTC-USDC-PERP") is None
        whole, healed = said(one, book(T + 500))
        assert isinstance(whole, BookSnapshot)
        assert (healed.recovered, healed.from_ns, healed.to_ns) == (True, T * 1_000_000, (T + 500) * 1_000_000)
        assert one.book("BTC-USDC-PERP") == whole


@given(
    pushes=st.lists(
        st.tuples(st.integers(-2, 4), st.integers(90, 101), st.booleans(), st.booleans()), min_size=1, max_size=30
    )
)
def test_any_order_of_books_ends_in_the_newest_or_in_none(pushes) -> None:
    """Late, repeated, crossed and damaged messages; the oracle keeps the newest good one."""
    one, newest, last_sequence, last_ns = session(), None, 0, 0
    time = T
    for step, bid, crossed, damaged in pushes:
        time = max(time + step, T)
        frame = book(time, bid=str(bid), ask=str(bid if crossed else bid + 1))
        if damaged:
            frame["data"]["levels"] = None
        items = said(one, frame)
        for item in items:
            if isinstance(item, BookSnapshot):
                assert item.sequence > last_sequence
                assert item.event_ns >= last_ns
                assert item.bids[0][0] < item.asks[0][0]
                last_sequence, last_ns, newest = item.sequence, item.event_ns, bid
        published = one.book(BTC.symbol)
        if damaged:
            assert published is None
        elif published is not None:
            assert published.bids == ((float(newest or 0), 1.0),)


def test_a_context_as_the_venue_sent_it() -> None:
    """An hour's rate, paid on the hour; open interest in coins; the oracle is what is called index here."""
    mark, funding, interest = said(session(), CONTEXT)
    assert isinstance(mark, MarkPrice)
    assert (mark.price, mark.index_price, mark.event_ns) == (84148.0, 84198.0, NOW)  # it says no time
    assert isinstance(funding, FundingRate)
    assert (funding.rate, funding.interval_s) == (0.0000018952, 3600)
    assert funding.next_funding_ns == 1_790_233_200_000_000_000  # 2026-09-24T07:00
    assert isinstance(interest, OpenInterest)
    assert (interest.base, interest.contracts) == (36585.31848, None)
    assert interest.notional == 36585.31848 * 84148.0


def test_what_stayed_the_same_is_said_again_after_a_minute() -> None:
    one, second = session(), 1_000_000_000
    assert len(said(one, CONTEXT)) == 3
    assert said(one, CONTEXT, NOW + second) == [Heard(stream=Stream.FUNDING, symbol="BTC-USDC-PERP")]
    assert [type(item) for item in said(one, context(markPx="84149.0"), NOW + 2 * second)] == [MarkPrice]
    assert [type(item) for item in said(one, context(funding="-0.01"), NOW + 3 * second)] == [MarkPrice, FundingRate]
    changed = said(one, context(openInterest="1"), NOW + 4 * second)
    assert [type(item).__name__ for item in changed] == ["FundingRate", "OpenInterest"]
    again = said(one, context(openInterest="1"), NOW + 60 * second)
    assert [type(item) for item in again] == [MarkPrice, FundingRate, OpenInterest]
    assert said(one, context(openInterest="1"), NOW + 61 * second) == [
        Heard(stream=Stream.FUNDING, symbol="BTC-USDC-PERP")
    ]


def test_the_next_settlement_is_a_later_one() -> None:
    hour = 1_790_233_200_000_000_000
    (_, before, _), (_, at, _) = (said(session(), CONTEXT, ns) for ns in (hour - 1, hour))
    assert (before.next_funding_ns, at.next_funding_ns) == (hour, hour + 3600 * 10**9)


def test_a_context_needs_a_time_and_numbers() -> None:
    (reject,) = said(session(), CONTEXT, 0)
    assert (reject.reason, reject.detail) == ("value", "a context without a time, and the recording kept none")
    for fields in (
        {"markPx": None},
        {"markPx": "0.0"},
        {"funding": "11"},
        {"openInterest": "-1"},
        {"oraclePx": "Infinity"},
    ):
        (reject,) = said(session(), context(**fields))
        assert reject.reason == "value"


@pytest.mark.parametrize("frame", [BOOK, CONTEXT, trades(TRADE)])
def test_what_nobody_asked_for_and_what_nobody_knows(frame) -> None:
    one = session("1000PEPE-USDC-PERP")
    assert said(one, frame) == []
    assert one.checks.ignored == 1
    data = json.loads(json.dumps(frame).replace('"BTC"', '"xyz:TSLA"'))
    (reject,) = said(one, data)
    assert (reject.reason, reject.detail) == ("unknown_instrument", "xyz:TSLA")


@pytest.mark.parametrize(
    ("frame", "items"),
    [
        (b"Websocket connection established.", []),
        ({"channel": "pong"}, []),
        (
            {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": {
                "type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": True}}},
            [Acknowledged(channel="l2Book BTC")],
        ),
        ({"channel": "subscriptionResponse", "data": {"method": "unsubscribe", "subscription": {"type": "x"}}}, []),
    ],
)  # fmt: skip
def test_what_the_venue_says_besides(frame, items) -> None:
    assert said(session(), frame) == items


@pytest.mark.parametrize("channel", ["allMids", "bbo", "candle", "activeSpotAssetCtx", "fastAssetCtxs"])
def test_channels_that_are_not_read_on_purpose(channel) -> None:
    one = session()
    assert said(one, {"channel": channel, "data": {}}) == []
    assert one.checks.ignored == 1


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ({"channel": "error", "data": 'Already subscribed: {"type":"l2Book","coin":"SOL"}'}, "error_frame"),
        ({"channel": "user", "data": {}}, "unknown_channel"),
        (b"{", "decode"),
        (b"\xff", "decode"),
        ([], "value"),
        ({"data": 1}, "value"),
        ({"channel": "trades"}, "decode"),
        ({"channel": "trades", "data": {}}, "value"),
        ({"channel": "error", "data": 7}, "value"),
        ({"channel": "subscriptionResponse", "data": {}}, "value"),
        (b"[" * 5_000_000, "oversize"),
    ],
)
def test_what_cannot_be_read_is_rejected(frame, reason) -> None:
    (reject,) = said(session(), frame)
    assert isinstance(reject, Rejected)
    assert reject.reason == reason
    assert len(reject.payload) <= 4096


def test_snapshots_are_not_asked_for() -> None:
    (reject,) = session().snapshot("BTC-USDC-PERP", b"{}", NOW)
    assert isinstance(reject, Rejected)
    assert reject.reason == "unexpected"
