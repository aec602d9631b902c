"""A book fed by the socket follows its chain, its checksums, or falls silent."""

from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import BookDelta, BookSnapshot, Gap, Origin
from services.ingest.venues.books import ASK_AGAIN_NS, Book
from services.ingest.venues.socket_book import Message, SocketBook
from services.ingest.venues.terms import Checks, Resubscribe

SYMBOL = "BTC-USDT"
SECOND = 1_000_000_000


def _socket_book(depth=400, crossed_ns=SECOND) -> Any:
    return SocketBook(
        Book(
            venue="okx",
            symbol=SYMBOL,
            origin=Origin.LIVE,
            checks=Checks(),
            ask=lambda cause: Resubscribe(symbol=SYMBOL, cause=cause, frames=()),
            depth=depth,
            crossed_ns=crossed_ns,
        )
    )


def _push(sequence, previous=-1, bids=(), asks=(), checksum=0, event_ns=0, texts=False) -> Message:
    return Message(
        bids=bids,
        asks=asks,
        bid_texts=[(f"{price:g}", f"{size:g}") for price, size in bids] if texts else (),
        ask_texts=[(f"{price:g}", f"{size:g}") for price, size in asks] if texts else (),
        sequence=sequence,
        previous=previous,
        checksum=checksum,
        event_ns=event_ns or (sequence or 1) * 1000,
    )


START = _push(10, bids=[(99.0, 1.0)], asks=[(101.0, 1.0)])
_price = st.integers(1, 20)
_size = st.sampled_from([0.0, 1.0, 2.0])
_steps = st.lists(
    st.tuples(
        st.lists(st.tuples(_price, _size), max_size=3),
        st.sampled_from(["deliver", "deliver", "deliver", "drop", "twice", "late"]),
        st.sampled_from(["on", "on", "on", "reset", "keepalive"]),
        st.integers(0, 3),
    ),
    min_size=3,
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(_steps)
def test_drops_repeats_reorders_and_resets_never_publish_a_false_book(steps) -> None:  # noqa: C901, PLR0912 - a venue, its network and its reader are one story
    truth: dict[int, Any] = {1_000_000: ({99.0: 1.0}, {101.0: 1.0})}
    previous, floor, order, late = 1_000_000, 1_000_000, [], []
    for levels, fate, kind, _ in steps:
        if kind == "keepalive":
            message, last = _push(previous, previous), previous
        else:
            if kind == "reset":  # maintenance: the venue continues from smaller ids
                floor -= 1_000
                last = floor
            else:
                last = previous + 3
            bids = [(100.0 - price, size) for price, size in levels]
            asks = [(100.0 + price, size) for price, size in levels]
            sides = tuple(dict(side) for side in truth[previous])
            for side, changed in zip(sides, (bids, asks), strict=True):
                for price, size in changed:
                    side.pop(price, None)
                    if size:
                        side[price] = size
            truth[last] = sides
            message = _push(last, previous, bids, asks)
        previous = last
        if fate == "late":
            late.append((last, message))
            continue
        if fate != "drop":
            order.append((last, message))
        if fate == "twice":
            order.append((last, message))
        order += late
        late = []

    book = _socket_book()
    reader: dict[str, Any] = {}
    resubscribed_for = None

    def check(items) -> bool:
        for item in items:
            if isinstance(item, BookSnapshot):
                reader.update(bids=dict(item.bids), asks=dict(item.asks), sequence=item.sequence)
            if isinstance(item, BookDelta):
                assert item.first_sequence == reader["sequence"] + 1
                for name in ("bids", "asks"):
                    for price, size in getattr(item, name):
                        reader[name].pop(price, None)
                        if size:
                            reader[name][price] = size
                reader["sequence"] = item.last_sequence
        shown = book.book.current()
        if shown:
            assert (dict(shown.bids), dict(shown.asks)) == truth[shown.sequence]
            assert reader == {"bids": dict(shown.bids), "asks": dict(shown.asks), "sequence": shown.sequence}
        return any(isinstance(item, Resubscribe) for item in items)

    def whole(at):
        return _push(at, bids=list(truth[at][0].items()), asks=list(truth[at][1].items()))

    check(book.snapshot(whole(1_000_000), 1))
    for position, (at, message) in enumerate(order):
        if check(book.change(message, position)):
            resubscribed_for = position + steps[position % len(steps)][3]
        if resubscribed_for is not None and position >= resubscribed_for:
            check(book.snapshot(whole(at), position))
            resubscribed_for = None

    check(book.snapshot(whole(previous), 1))
    shown = book.book.current()
    assert (dict(shown.bids), dict(shown.asks)) == truth[previous]


def test_a_keepalive_is_no_event() -> None:
    book = _socket_book()
    book.snapshot(START, 1)
    assert book.change(_push(10, 10), 2) == []
    assert book.book.current().sequence == 10


def test_a_linked_reset_goes_on_from_the_smaller_id() -> None:
    book = _socket_book()
    book.snapshot(START, 1)
    (delta,) = book.change(_push(3, 10, bids=[(98.0, 2.0)]), 2)
    assert (delta.first_sequence, delta.last_sequence) == (11, 3)
    (delta,) = book.change(_push(7, 3, bids=[(98.0, 0.0)]), 3)
    assert (delta.first_sequence, delta.last_sequence) == (4, 7)


@pytest.mark.parametrize("previous", [9, 11, 0, -1, None])
def test_anything_else_is_a_gap_said_once(previous) -> None:
    book = _socket_book()
    book.snapshot(START, 1)
    gap, ask = book.change(_push(12, previous), 2)
    assert isinstance(gap, Gap)
    assert not gap.recovered
    assert isinstance(ask, Resubscribe)
    assert book.book.current() is None
    for last in range(13, 40):
        assert book.change(_push(last, last - 1), 3) == []  # the venue still sends updates: no storm
    shown, closed = book.snapshot(_push(50, bids=[(90.0, 1.0)]), 4)
    assert shown.bids == ((90.0, 1.0),)
    assert closed.recovered


def test_updates_before_the_first_snapshot_ask_once_and_again_after_half_a_minute() -> None:
    book = _socket_book()
    assert [item.cause for item in book.change(_push(5, 4), 1)] == ["start"]
    assert book.change(_push(6, 5), 2) == []
    assert len(book.change(_push(7, 6), 1 + ASK_AGAIN_NS)) == 1


def test_levels_beyond_the_depth_are_removed_for_the_reader_too() -> None:
    book = _socket_book(depth=2)
    book.snapshot(_push(10, bids=[(99.0, 1.0), (98.0, 1.0)], asks=[(101.0, 1.0)]), 1)
    (delta,) = book.change(_push(11, 10, bids=[(100.0, 5.0)]), 2)
    assert delta.bids == ((100.0, 5.0), (98.0, 0.0))
    assert book.book.current().bids == ((100.0, 5.0), (99.0, 1.0))


def test_bids_may_meet_asks_for_a_second_only() -> None:
    book = _socket_book()
    book.snapshot(_push(10, bids=[(99.0, 1.0)], asks=[(101.0, 1.0)], event_ns=SECOND), 1)
    (delta,) = book.change(_push(11, 10, bids=[(102.0, 1.0)], event_ns=2 * SECOND), 2)
    assert isinstance(delta, BookDelta)
    gap, _ = book.change(_push(12, 11, bids=[(99.0, 2.0)], event_ns=3 * SECOND), 3)
    assert gap.cause == "crossed"
    assert book.book.checks.books_crossed == 2


def _crc(text: str) -> int:
    value = crc32(text.encode())
    return value - 2**32 if value >= 2**31 else value  # the venue sends it signed


def test_without_ids_the_checksum_decides() -> None:
    book = _socket_book()
    bids, asks = [(99.0, 1.0), (98.0, 2.0), (97.0, 3.0)], [(101.0, 4.0)]
    first = _push(None, None, bids, asks, _crc("99:1:101:4:98:2:97:3"), texts=True)
    (shown,) = book.snapshot(first, 1)
    second = _push(None, None, [(98.0, 0.0)], [(102.0, 5.0)], _crc("99:1:101:4:97:3:102:5"), texts=True)
    (delta,) = book.change(second, 2)
    assert (delta.first_sequence, delta.last_sequence) == (shown.sequence + 1, shown.sequence + 1)
    nothing = _push(None, None, checksum=_crc("99:1:101:4:97:3:102:5"))
    assert book.change(nothing, 3) == []
    assert book.book.checks.checksums_verified == 3
    gap, _ = book.change(_push(None, None, [(97.0, 9.0)], [], _crc("something else"), texts=True), 4)
    assert gap.cause == "checksum"
    assert book.book.checks.checksums_failed == 1
    assert book.book.current() is None


def test_only_the_first_25_levels_of_a_side_are_in_the_checksum() -> None:
    book = _socket_book()
    bids = [(100.0 - step, 1.0) for step in range(40)]
    text = ":".join(f"{price:g}:1" for price, _ in bids[:25])
    assert len(book.snapshot(_push(None, None, bids, [], _crc(text), texts=True), 1)) == 1


def test_a_book_that_nothing_vouches_for_is_not_published() -> None:
    book = _socket_book()
    (ask,) = book.snapshot(_push(None, None, [(99.0, 1.0)]), 1)
    assert isinstance(ask, Resubscribe)
    assert book.book.current() is None


def test_a_checksum_that_ends_leaves_the_chain_in_charge() -> None:
    book = _socket_book()
    bids = [(99.0, 1.0)]
    book.snapshot(_push(10, -1, bids, [], _crc("99:1"), texts=True), 1)
    assert len(book.change(_push(11, 10, [(98.0, 1.0)]), 2)) == 1
    assert len(book.change(_push(12, 11, [(97.0, 1.0)], checksum=5, texts=True), 3)) == 1  # letters are incomplete now
    assert book.book.checks.checksums_verified == 1
    assert book.book.checks.checksums_failed == 0


def test_a_chained_book_refuses_an_update_without_ids() -> None:
    book = _socket_book()
    book.snapshot(_push(10, -1, [(99.0, 1.0)], [], _crc("99:1"), texts=True), 1)
    gap, _ = book.change(_push(None, None, [(98.0, 1.0)], [], _crc("99:1:98:1"), texts=True), 2)
    assert gap.cause == "unverifiable"


def test_a_second_snapshot_with_a_wrong_checksum_loses_the_book() -> None:
    book = _socket_book()
    book.snapshot(START, 1)
    gap, ask = book.snapshot(_push(20, -1, [(98.0, 1.0)], [], 77, texts=True), 2)
    assert (gap.cause, gap.from_ns) == ("checksum", 10_000)
    assert isinstance(ask, Resubscribe)
