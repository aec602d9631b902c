"""A book aligned by REST is true whenever it is published, whatever the network does."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import BookDelta, BookSnapshot, Gap, Origin
from services.ingest.venues.books import ASK_AGAIN_NS, Book, Change
from services.ingest.venues.rest_book import BUFFER_LIMIT, STALE_LIMIT, RestBook
from services.ingest.venues.terms import Checks, SnapshotWanted

SYMBOL = "BTC-USDT-PERP"


def _rest_book() -> Any:
    return RestBook(
        Book(
            venue="binance-usdm",
            symbol=SYMBOL,
            origin=Origin.LIVE,
            checks=Checks(),
            ask=lambda cause: SnapshotWanted(symbol=SYMBOL, cause=cause),
            depth=1000,
        )
    )


def _change(previous, last, bids=(), asks=(), first=None) -> Change:
    return Change(bids=bids, asks=asks, previous=previous, first=first or previous + 1, last=last, event_ns=last * 1000)


def _as_sent(change: Change, *, chained: bool = False) -> Change:
    """Without the id of the state before it, which spot does not send."""
    return change if chained else msgspec.structs.replace(change, previous=None)


def _snapshot(book, sequence, bids=((99.0, 1.0),), asks=((101.0, 1.0),)):
    return book.snapshot(bids, asks, sequence=sequence, event_ns=sequence * 1000, received_ns=sequence * 1000)


class _Reader:
    """What any reader of the topic does, as naively as the contract allows."""

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.sequence: int | None = None

    def read(self, event) -> None:
        if isinstance(event, BookSnapshot):
            self.bids, self.asks, self.sequence = dict(event.bids), dict(event.asks), event.sequence
        if isinstance(event, BookDelta):
            assert self.sequence is not None
            assert event.first_sequence == self.sequence + 1
            for side, levels in ((self.bids, event.bids), (self.asks, event.asks)):
                for price, size in levels:
                    side.pop(price, None)
                    if size:
                        side[price] = size
            self.sequence = event.last_sequence


_price = st.integers(1, 20)
_size = st.sampled_from([0.0, 1.0, 2.0, 3.0])
_steps = st.lists(
    st.tuples(
        st.lists(st.tuples(_price, _size), max_size=3),
        st.lists(st.tuples(_price, _size), max_size=3),
        st.integers(1, 4),
        st.sampled_from(["deliver", "deliver", "deliver", "drop", "twice", "late"]),
        st.integers(-3, 3),
    ),
    min_size=4,
    max_size=40,
)


@pytest.mark.parametrize("chained", [True, False], ids=["futures", "spot"])
@settings(max_examples=200, deadline=None)
@given(steps=_steps)
def test_drops_repeats_and_reorders_never_publish_a_false_book(chained, steps) -> None:  # noqa: C901 - a venue, its network and its reader are one story
    changes, truth, previous = [], {10: ({99.0: 1.0}, {101.0: 1.0})}, 10
    for bids, asks, stride, _, _ in steps:
        last = previous + stride
        new_bids, new_asks = (dict(side) for side in truth[previous])
        bid_levels = [(100.0 - price, size) for price, size in bids]
        ask_levels = [(100.0 + price, size) for price, size in asks]
        for side, levels in ((new_bids, bid_levels), (new_asks, ask_levels)):
            for price, size in levels:
                side.pop(price, None)
                if size:
                    side[price] = size
        truth[last] = (new_bids, new_asks)
        changes.append(_as_sent(_change(previous, last, bid_levels, ask_levels), chained=chained))
        previous = last

    order: list[tuple[int, Change]] = []
    late: list[tuple[int, Change]] = []
    for position, (change, step) in enumerate(zip(changes, steps, strict=True)):
        fate = step[3]
        if fate == "late":
            late.append((position, change))
            continue
        if fate != "drop":
            order.append((position, change))
        if fate == "twice":
            order.append((position, change))
        order += late
        late = []

    states = list(truth)
    book, reader, wanted, now = _rest_book(), _Reader(), False, 0

    def check(items) -> bool:
        for item in items:
            reader.read(item)
        shown = book.book.current()
        if shown:
            assert (dict(shown.bids), dict(shown.asks)) == truth[shown.sequence]
            assert (reader.bids, reader.asks, reader.sequence) == (
                dict(shown.bids),
                dict(shown.asks),
                shown.sequence,
            )
        return any(isinstance(item, SnapshotWanted) for item in items)

    for position, change in order:
        now += 1
        wanted |= check(book.change(change, now))
        if wanted:
            at = states[max(0, min(len(states) - 1, position + 1 + steps[position][4]))]
            sides = truth[at]
            wanted = check(
                book.snapshot(list(sides[0].items()), list(sides[1].items()), sequence=at, event_ns=at, received_ns=now)
            )

    # a clean tail and an honest answer always end in the true book
    for stride in (1, 2):
        last = previous + stride
        truth[last] = truth[previous]
        wanted |= check(book.change(_as_sent(_change(previous, last), chained=chained), now))
        previous = last
    check(
        book.snapshot(
            list(truth[previous][0].items()),
            list(truth[previous][1].items()),
            sequence=previous,
            event_ns=previous,
            received_ns=now,
        )
    )
    shown = book.book.current()
    assert shown is not None
    assert shown.sequence == previous
    assert (dict(shown.bids), dict(shown.asks)) == truth[previous]


def test_a_snapshot_is_joined_with_the_change_that_straddles_it() -> None:
    book = _rest_book()
    assert book.change(_change(5, 8, bids=[(98.0, 9.0)]), 1) == [SnapshotWanted(symbol=SYMBOL, cause="start")]
    assert book.change(_change(8, 12, bids=[(98.0, 2.0)]), 2) == []
    assert book.change(_change(12, 15, asks=[(101.0, 0.0), (102.0, 4.0)]), 3) == []
    (shown,) = _snapshot(book, 10)
    assert shown.sequence == 15
    assert shown.bids == ((99.0, 1.0), (98.0, 2.0))  # the change up to 8 is older than the snapshot
    assert shown.asks == ((102.0, 4.0),)
    (delta,) = book.change(_change(15, 20, bids=[(99.0, 0.0)]), 4)
    assert (delta.first_sequence, delta.last_sequence, delta.bids) == (16, 20, ((99.0, 0.0),))


def test_a_snapshot_older_than_the_stream_is_refused_and_asked_for_again() -> None:
    book = _rest_book()
    book.change(_change(20, 25), 1)
    assert _snapshot(book, 10) == [SnapshotWanted(symbol=SYMBOL, cause="stale")]
    assert book.book.current() is None


def test_a_snapshot_newer_than_the_stream_waits_for_it() -> None:
    book = _rest_book()
    assert _snapshot(book, 10) == []  # even before anything was heard
    assert book.change(_change(5, 8), 1) == []
    assert book.book.current() is None
    (shown,) = book.change(_change(8, 12), 2)
    assert shown.sequence == 12


def test_a_change_that_continues_the_snapshot_exactly_is_enough() -> None:
    book = _rest_book()
    _snapshot(book, 10)
    (shown,) = book.change(_change(10, 14, bids=[(98.0, 1.0)], first=13), 2)
    assert shown.sequence == 14


def test_a_hole_loses_the_book_once_and_a_snapshot_closes_it() -> None:
    book = _rest_book()
    book.change(_change(8, 12), 1)
    _snapshot(book, 10)
    gap, want = book.change(_change(15, 20), 2)
    assert isinstance(gap, Gap)
    assert (gap.stream, gap.cause, gap.recovered) == ("books", "sequence", False)
    assert (gap.first_missing, gap.last_missing) == ("13", "15")
    assert (gap.from_ns, gap.to_ns, gap.event_ns) == (12_000, 12_000, 20_000)
    assert want == SnapshotWanted(symbol=SYMBOL, cause="sequence")
    assert book.book.current() is None
    assert book.change(_change(20, 21), 3) == []  # no storm
    assert book.change(_change(30, 31), 4) == []
    assert book.book.checks.sequence_gaps == 1
    (again,) = _snapshot(book, 21)
    assert again == SnapshotWanted(symbol=SYMBOL, cause="sequence")  # the buffer itself has a hole
    shown, closed = _snapshot(book, 31)
    assert shown.sequence == 31
    assert (closed.recovered, closed.from_ns, closed.to_ns) == (True, 12_000, 31_000)


def test_an_unanswered_request_is_repeated_after_half_a_minute() -> None:
    book = _rest_book()
    assert len(book.change(_change(1, 2), 1)) == 1
    assert book.change(_change(2, 3), ASK_AGAIN_NS) == []
    assert len(book.change(_change(3, 4), ASK_AGAIN_NS + 1)) == 1


def test_a_full_buffer_begins_anew() -> None:
    book = _rest_book()
    book.change(_change(0, 1), 1)
    for last in range(2, BUFFER_LIMIT + 1):
        assert book.change(_change(last - 1, last), 1) == []
    end = BUFFER_LIMIT + 1
    assert book.change(_change(end - 1, end), 1) == [SnapshotWanted(symbol=SYMBOL, cause="overflow")]
    (shown,) = _snapshot(book, end)
    assert shown.sequence == end


def test_old_changes_are_repeats_until_there_are_too_many_of_them() -> None:
    book = _rest_book()
    book.change(_change(8, 12), 1)
    _snapshot(book, 10)
    for count in range(1, STALE_LIMIT + 1):
        assert book.change(_change(2, 3), 2) == []
        assert book.book.checks.stale == count
    assert [type(item) for item in book.change(_change(2, 3), 2)] == [Gap, SnapshotWanted]


def test_a_crossed_book_is_given_up() -> None:
    book = _rest_book()
    book.change(_change(8, 12), 1)
    _snapshot(book, 10)
    items = book.change(_change(12, 13, bids=[(101.0, 1.0)]), 2)
    assert [type(item) for item in items] == [Gap, SnapshotWanted]
    assert items[0].cause == "crossed"
    assert book.book.checks.books_crossed == 1
    assert book.change(_change(13, 14), 3) == []
    (again,) = _snapshot(book, 14, bids=((101.0, 1.0),))
    assert again.cause == "crossed"


def test_a_late_second_answer_changes_nothing() -> None:
    book = _rest_book()
    book.change(_change(8, 12), 1)
    _snapshot(book, 10)
    assert _snapshot(book, 11, bids=((50.0, 1.0),)) == []
    assert book.book.current().bids == ((99.0, 1.0),)


def _spot(first, last, bids=(), asks=()) -> Change:
    return _as_sent(_change(first - 1, last, bids, asks))


def test_without_predecessors_the_ids_themselves_must_join() -> None:
    book = _rest_book()
    book.change(_spot(3, 9, bids=[(98.0, 9.0)]), 1)  # older than the snapshot
    book.change(_spot(10, 12, bids=[(98.0, 2.0)]), 2)
    (shown,) = _snapshot(book, 10)
    assert (shown.sequence, shown.bids) == (12, ((99.0, 1.0), (98.0, 2.0)))
    (delta,) = book.change(_spot(13, 15, bids=[(98.0, 0.0)]), 3)
    assert (delta.first_sequence, delta.last_sequence) == (13, 15)
    gap, want = book.change(_spot(17, 18), 4)
    assert (gap.cause, gap.first_missing, gap.last_missing) == ("sequence", "16", "16")
    assert want == SnapshotWanted(symbol=SYMBOL, cause="sequence")


def test_the_change_after_the_snapshot_continues_it() -> None:
    book = _rest_book()
    book.change(_spot(11, 14), 1)
    (shown,) = _snapshot(book, 10)
    assert shown.sequence == 14


def test_a_snapshot_before_the_first_change_is_refused() -> None:
    book = _rest_book()
    book.change(_spot(12, 14), 1)
    assert _snapshot(book, 10) == [SnapshotWanted(symbol=SYMBOL, cause="stale")]


def test_changes_that_overlap_are_taken_and_repeats_are_not() -> None:
    book = _rest_book()
    book.change(_spot(9, 12), 1)
    _snapshot(book, 10)
    (delta,) = book.change(_spot(11, 14, bids=[(98.0, 7.0)]), 2)
    assert (delta.first_sequence, delta.last_sequence, delta.bids) == (13, 14, ((98.0, 7.0),))
    assert book.change(_spot(13, 14, bids=[(98.0, 1.0)]), 3) == []
    assert book.book.checks.stale == 1
