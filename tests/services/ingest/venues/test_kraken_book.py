"""A book without numbers follows its checksums, or falls silent."""

import json
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import BookDelta, BookSnapshot, Gap, Origin
from services.ingest.venues.books import ASK_AGAIN_NS, Book
from services.ingest.venues.kraken_book import Push, VouchedBook
from services.ingest.venues.terms import Checks, Resubscribe

SYMBOL = "BTC-USD"
DOCUMENTED_ASKS = [
    ("45285.2", "0.00100000"),
    ("45286.4", "1.54571953"),
    ("45286.6", "1.54571109"),
    ("45289.6", "1.54560911"),
    ("45290.2", "0.15890660"),
    ("45291.8", "1.54553491"),
    ("45294.7", "0.04454749"),
    ("45296.1", "0.35380000"),
    ("45297.5", "0.09945542"),
    ("45299.5", "0.18772827"),
]
DOCUMENTED_BIDS = [
    ("45283.5", "0.10000000"),
    ("45283.4", "1.54582015"),
    ("45282.1", "0.10000000"),
    ("45281.0", "0.10000000"),
    ("45280.3", "1.54592586"),
    ("45279.0", "0.07990000"),
    ("45277.6", "0.03310103"),
    ("45277.5", "0.30000000"),
    ("45277.3", "1.54602737"),
    ("45276.6", "0.15445238"),
]
DOCUMENTED_CHECKSUM = 3310070434
"""https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2"""


def vouched(depth: int = 10) -> Any:
    return VouchedBook(
        Book(
            venue="kraken",
            symbol=SYMBOL,
            origin=Origin.LIVE,
            checks=Checks(),
            ask=lambda cause: Resubscribe(symbol=SYMBOL, cause=cause, frames=()),
            depth=depth,
        )
    )


def push(bids=(), asks=(), checksum: int | None = 0, event_ns: int = 1_000) -> Push:
    return Push(bids=list(bids), asks=list(asks), checksum=checksum, event_ns=event_ns)


def test_the_documented_book_has_the_documented_checksum() -> None:
    book = vouched()
    (shown,) = book.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS, DOCUMENTED_CHECKSUM), 7_000_000)
    assert isinstance(shown, BookSnapshot)
    assert (shown.bids[0], shown.asks[0]) == ((45283.5, 0.1), (45285.2, 0.001))
    assert book.book.checks.checksums_verified == 1


@pytest.mark.parametrize("digits", ["0.001", "0.0010000", "0.00100001"])
def test_one_digit_more_or_less_is_another_checksum(digits) -> None:
    book = vouched()
    asks = [("45285.2", digits), *DOCUMENTED_ASKS[1:]]
    assert [item.cause for item in book.whole(push(DOCUMENTED_BIDS, asks, DOCUMENTED_CHECKSUM), 7)] == ["checksum"]
    assert book.book.checks.checksums_failed == 1
    assert book.book.current() is None


def test_levels_beyond_the_tenth_are_not_in_the_checksum() -> None:
    book = vouched(depth=25)
    asks = [*DOCUMENTED_ASKS, ("45300.0", "9.00000000")]
    (shown,) = book.whole(push(DOCUMENTED_BIDS, asks, DOCUMENTED_CHECKSUM), 7)
    assert len(shown.asks) == 11


def test_a_level_that_falls_out_of_ten_is_removed_for_the_reader_and_from_the_checksum() -> None:
    book = vouched()
    book.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS, DOCUMENTED_CHECKSUM), 7)
    better = [("45285.0", "0.50000000"), *DOCUMENTED_ASKS[:9]]
    (delta,) = book.change(push(asks=[better[0]], checksum=kraken_crc(DOCUMENTED_BIDS, better)), 8)
    assert delta.asks == ((45285.0, 0.5), (45299.5, 0.0))
    (delta,) = book.change(  # the venue sends what comes back into the ten
        push(
            asks=[("45285.0", "0.00000000"), DOCUMENTED_ASKS[9]],
            checksum=DOCUMENTED_CHECKSUM,
        ),
        9,
    )
    assert book.book.current().asks[-1] == (45299.5, 0.18772827)


def test_changes_of_one_price_in_one_message_are_taken_in_order() -> None:
    book = vouched()
    book.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS, DOCUMENTED_CHECKSUM), 7)
    last = [("45283.5", "0.20000000"), *DOCUMENTED_BIDS[1:]]
    changes = [("45283.5", "0.00000000"), ("45283.5", "0.30000000"), ("45283.5", "0.20000000")]
    (delta,) = book.change(push(changes, checksum=kraken_crc(last, DOCUMENTED_ASKS)), 8)
    assert delta.bids[-1] == (45283.5, 0.2)
    assert book.book.current().bids[0] == (45283.5, 0.2)


def test_a_wrong_checksum_loses_the_book_once_and_a_whole_one_closes_the_gap() -> None:
    book = vouched()
    book.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS, DOCUMENTED_CHECKSUM), 7)
    gap, wish = book.change(push([("45283.5", "0.70000000")], checksum=1, event_ns=2_000), 8)
    assert isinstance(gap, Gap)
    assert (gap.cause, gap.from_ns, gap.event_ns, gap.first_missing) == ("checksum", 1_000, 2_000, None)
    assert wish == Resubscribe(symbol=SYMBOL, cause="checksum", frames=())
    assert book.change(push([("45283.5", "0.80000000")], checksum=2), 9) == []
    shown, closed = book.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS, DOCUMENTED_CHECKSUM, 3_000), 10)
    assert (shown.bids[0], closed.recovered, closed.from_ns) == ((45283.5, 0.1), True, 1_000)
    assert book.book.checks.stale == 1


def test_a_message_without_checksum_is_not_published() -> None:
    book = vouched()
    assert [item.cause for item in book.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS, None), 7)] == ["unverifiable"]
    assert book.book.current() is None


def test_bids_that_meet_asks_are_never_shown_even_if_the_venue_vouches_for_them() -> None:
    book = vouched()
    crossed = [("45285.2", "1.00000000")]
    items = book.whole(push(crossed, DOCUMENTED_ASKS, kraken_crc(crossed, DOCUMENTED_ASKS)), 7)
    assert [item.cause for item in items] == ["crossed"]
    assert book.book.checks.books_crossed == 1


def test_a_second_whole_book_that_is_wrong_loses_the_first() -> None:
    book = vouched()
    book.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS, DOCUMENTED_CHECKSUM), 7)
    gap, wish = book.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS[1:], DOCUMENTED_CHECKSUM), 8)
    assert (gap.cause, wish.cause) == ("checksum", "checksum")


def test_changes_before_the_whole_book_ask_for_it_and_again_after_half_a_minute() -> None:
    book = vouched()
    assert [item.cause for item in book.change(push(), 1)] == ["start"]
    assert book.change(push(), 2) == []
    assert len(book.change(push(), 1 + ASK_AGAIN_NS)) == 1


def test_numbers_of_one_connection_are_never_continued_by_another() -> None:
    """A reader that missed a whole book must not join its changes to an older one."""
    second = 1_000_000_000
    old, new = vouched(), vouched()
    (first,) = old.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS, DOCUMENTED_CHECKSUM), 1_790_000_000 * second)
    bids = DOCUMENTED_BIDS[1:]
    (delta,) = old.change(push([("45283.5", "0")], checksum=kraken_crc(bids, DOCUMENTED_ASKS)), 1_790_000_001 * second)
    assert (delta.first_sequence, delta.last_sequence) == (first.sequence + 1, first.sequence + 1)
    (again,) = new.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS, DOCUMENTED_CHECKSUM), 1_790_000_002 * second)
    assert again.sequence - delta.last_sequence > 1_000_000  # microseconds between the two
    assert again.sequence < 2**53  # readable as a double too


def test_without_our_clock_the_venues_numbers_it_and_a_whole_book_never_repeats_a_number() -> None:
    book = vouched()
    (shown,) = book.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS, DOCUMENTED_CHECKSUM, 5_000_000), 0)
    assert shown.sequence == 5_000
    (again,) = book.whole(push(DOCUMENTED_BIDS, DOCUMENTED_ASKS, DOCUMENTED_CHECKSUM, 5_000_000), 0)
    assert again.sequence == 5_001


def kraken_crc(bids, asks) -> int:
    """The documented rule, written down from the example: `45285.2` and `0.00100000` are `452852100000`."""
    numbers = (number for side in (asks, bids) for level in side[:10] for number in level)
    return crc32("".join(str(int(number.replace(".", ""))) for number in numbers).encode())


def test_the_rule_of_these_tests_is_the_documented_one() -> None:
    assert kraken_crc(DOCUMENTED_BIDS, DOCUMENTED_ASKS) == DOCUMENTED_CHECKSUM


class Exchange:
    """The venue's side: the whole market, and the view of ten levels that a subscriber is told of.

    A level that falls out of the view is not told of; one that comes back into it is.
    """

    def __init__(self) -> None:
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for step in range(1, 15):
            self.sides[0][10_000 - step] = step
            self.sides[1][10_000 + step] = step

    def view(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        bids, asks = self.sides
        return self._texts(sorted(bids.items(), reverse=True)), self._texts(sorted(asks.items()))

    def happens(self, levels) -> tuple[list[Any], list[Any]]:
        """Apply what happened; return what the subscriber is told."""
        before = [dict(side) for side in self.view()]
        for bid, step, size in levels:
            side, price = (self.sides[0], 10_000 - step) if bid else (self.sides[1], 10_000 + step)
            side[price] = size
            if not size:
                del side[price]
        told: tuple[list[Any], list[Any]] = ([], [])
        for number, (was, now) in enumerate(zip(before, map(dict, self.view()), strict=True)):
            whole = {self._price(price) for price in self.sides[number]}
            told[number].extend((price, "0.00000000") for price in was if price not in whole)
            told[number].extend((price, size) for price, size in now.items() if was.get(price) != size)
        return told

    def _texts(self, levels) -> list[tuple[str, str]]:
        return [(self._price(price), f"{size / 8:.8f}") for price, size in levels[:10]]

    def _price(self, price: int) -> str:
        return f"{price / 10:.1f}"


_steps = st.lists(
    st.tuples(
        st.lists(st.tuples(st.booleans(), st.integers(1, 16), st.sampled_from([0, 1, 2, 9])), min_size=1, max_size=3),
        st.sampled_from(["deliver", "deliver", "deliver", "deliver", "drop", "twice", "late", "reset"]),
        st.integers(0, 2),
    ),
    min_size=3,
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(_steps)
def test_drops_repeats_reorders_and_resets_never_publish_a_false_book(steps) -> None:  # noqa: C901 - a venue, its network and its reader are one story
    exchange = Exchange()
    order: list[Any] = []
    late: list[Any] = []
    start = exchange.view()
    for levels, fate, _ in steps:
        seen = exchange.view()
        told = exchange.happens(levels)
        view = exchange.view()
        if view == seen:
            continue  # nothing happened within the ten levels: the venue is silent
        message = push(*told, checksum=kraken_crc(*view), event_ns=len(order) + 1)
        if fate == "reset":  # the venue sends a whole book of itself
            order.append(("whole", push(*view, checksum=kraken_crc(*view)), view))
        elif fate == "late":
            late.append(("change", message, view))
            continue
        elif fate != "drop":
            order += [("change", message, view)] * (2 if fate == "twice" else 1)
        order += late
        late = []

    book = vouched()
    reader: dict[str, Any] = {}
    asked_at = None

    def check(items, view) -> bool:
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
        if shown and items:
            truth = tuple(tuple((float(price), float(size)) for price, size in side) for side in view)
            assert (shown.bids, shown.asks) == truth
            assert reader == {"bids": dict(shown.bids), "asks": dict(shown.asks), "sequence": shown.sequence}
        return any(isinstance(item, Resubscribe) for item in items)

    check(book.whole(push(*start, checksum=kraken_crc(*start)), 1_000), start)
    for position, (kind, message, view) in enumerate(order, start=2):
        take = book.whole if kind == "whole" else book.change
        if check(take(message, position * 1_000), view):
            asked_at = position + steps[position % len(steps)][2]
        if asked_at is not None and position >= asked_at:
            check(book.whole(push(view[0], view[1], checksum=kraken_crc(*view)), position * 1_000), view)
            asked_at = None
    final = exchange.view()
    check(book.whole(push(*final, checksum=kraken_crc(*final)), 1_000_000), final)
    assert json.dumps(book.book.current().bids) == json.dumps([(float(p), float(q)) for p, q in final[0]])
