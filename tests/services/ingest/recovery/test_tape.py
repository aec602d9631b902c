"""The tape against an oracle that knows every trade: whatever the sockets do, it ends whole, once, in order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import SECOND_NS, Side, Trade
from services.ingest.recovery.tape import Tape


def trade(order: int, *, size: float = 1.0, event_ns: int | None = None) -> Trade:
    return Trade(
        venue="test",
        symbol="BTC-USDT",
        event_ns=order * 1000 if event_ns is None else event_ns,
        received_ns=0,
        price=1.0,
        size=size,
        side=Side.BUY,
        trade_id=str(order),
    )


def ids(trades: list[Trade]) -> list[int]:
    return [int(one.trade_id) for one in trades]


@st.composite
def received(draw: st.DrawFn) -> tuple[int, list[int]]:
    """How many trades there were, and which ids arrived: dropped, doubled, out of order within a window."""
    count = draw(st.integers(1, 60))
    arrivals: list[tuple[float, int]] = []
    for order in range(1, count + 1):
        copies = draw(st.sampled_from([0, 1, 1, 1, 1, 2]))
        arrivals += [(order + draw(st.floats(0, 6)), order) for _ in range(copies)]
    return count, [order for _, order in sorted(arrivals)]


@settings(max_examples=300, deadline=None)
@given(story=received(), page=st.integers(1, 7), lazy=st.integers(1, 5), start=st.booleans())
def test_any_drops_duplicates_and_reorders_end_in_the_true_tape(
    story: tuple[int, list[int]], page: int, lazy: int, start: bool
) -> None:
    count, arrivals = story
    tape = Tape(int)
    out: list[int] = []
    if start:
        tape.resume("0", 0)
    newest = 0

    def fetch() -> None:
        assert tape.last is not None
        after = tape.last.order
        out.extend(ids(tape.merge([trade(n) for n in range(after + 1, min(after + page, newest) + 1)])))

    for number, order in enumerate(arrivals):
        newest = max(newest, order)
        out.extend(ids(tape.offer(trade(order))))
        if tape.hole is not None and number % lazy == 0:
            fetch()
    while tape.hole is not None:
        fetch()
    if not arrivals:
        assert out == []
        return
    first = 1 if start else arrivals[0]
    assert out == list(range(first, max(*arrivals, first) + 1))
    assert newest <= count


def test_hole_names_its_bounds_and_release_goes_on_behind_it() -> None:
    tape = Tape(int)
    assert ids(tape.offer(trade(5))) == [5]
    assert tape.offer(trade(8)) == []
    assert tape.offer(trade(9)) == []
    assert tape.offer(trade(12)) == []
    hole = tape.hole
    assert hole is not None
    assert (hole.after.trade_id, hole.until.trade_id) == ("5", "8")
    assert ids(tape.release()) == [8, 9]
    assert tape.hole is not None
    assert tape.hole.until.order == 12
    assert ids(tape.release()) == [12]
    assert tape.release() == []
    assert tape.hole is None


def test_late_trade_fills_the_hole_without_a_fetch() -> None:
    tape = Tape(int)
    tape.offer(trade(1))
    assert tape.offer(trade(3)) == []
    assert ids(tape.offer(trade(2))) == [2, 3]
    assert tape.hole is None


def test_page_is_the_last_word_on_ids_that_do_not_exist() -> None:
    tape = Tape(int)
    tape.offer(trade(1))
    tape.offer(trade(9))
    assert ids(tape.merge([trade(4), trade(9)])) == [4, 9]


def test_duplicates_are_dropped_and_counted() -> None:
    tape = Tape(int)
    tape.offer(trade(1))
    assert tape.offer(trade(1)) == []
    tape.offer(trade(3))
    assert tape.offer(trade(3)) == []
    assert tape.duplicates == 2


def test_venue_that_begins_its_ids_anew_is_followed() -> None:
    tape = Tape(int)
    tape.offer(trade(1000, event_ns=0))
    tape.offer(trade(1005, event_ns=1))
    assert ids(tape.offer(trade(1, event_ns=60 * SECOND_NS))) == [1005, 1]
    assert ids(tape.offer(trade(2, event_ns=61 * SECOND_NS))) == [2]
    assert tape.restarts == 1


def test_too_many_held_trades_say_so() -> None:
    tape = Tape(int, limit=2)
    tape.offer(trade(1))
    fullness = []
    for order in (3, 4):
        tape.offer(trade(order))
        fullness.append((tape.held, tape.full))
    assert fullness == [(1, False), (2, True)]


AGGREGATES = [(1, 1), (2, 4), (5, 5), (6, 9), (10, 10), (11, 13), (14, 14)]
"""What a venue of aggregates sends live: each named by its last id, as large as its ids are many."""


@pytest.mark.parametrize("lost", range(1, 5))
@pytest.mark.parametrize("page", [1, 3, 100])
def test_single_trades_replace_the_aggregates_of_an_interruption(lost: int, page: int) -> None:
    tape = Tape(int, consecutive=False)
    out = tape.offer(trade(1))
    tape.interrupted()
    for first, last in AGGREGATES[1 + lost :]:
        out += tape.offer(trade(last, size=float(last - first + 1)))
    while tape.hole is not None:
        assert tape.last is not None
        after = tape.last.order
        out += tape.merge([trade(n) for n in range(after + 1, min(after + page, 14) + 1)])
    assert sum(one.size for one in out) == 14
    assert ids(out) == sorted(set(ids(out)))


def test_jump_of_aggregates_is_no_hole_without_an_interruption() -> None:
    tape = Tape(int, consecutive=False)
    assert [ids(tape.offer(trade(last))) for _, last in AGGREGATES] == [[last] for _, last in AGGREGATES]
    assert tape.hole is None


def test_aggregates_are_released_whole() -> None:
    tape = Tape(int, consecutive=False)
    tape.resume("1", 1000)
    assert [tape.offer(trade(last)) for last in (5, 9)] == [[], []]
    assert ids(tape.release()) == [5, 9]
    assert ids(tape.offer(trade(13))) == [13]


def test_page_without_a_beginning_changes_nothing() -> None:
    tape = Tape(int)
    assert tape.merge([trade(4)]) == []
    assert tape.merge([]) == []
