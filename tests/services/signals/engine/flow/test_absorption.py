"""Hand-made touches: takers that push and move nothing, and levels that give more than they ever showed."""

import msgspec
import pytest

from libs.common.events import SECOND_NS
from services.signals.engine.flow.refills import Queue
from services.signals.engine.flow.touch import Absorbed, Touch
from services.signals.engine.parameters.order_flow import OrderFlowParameters

TOLD = OrderFlowParameters(least_windows=4)
TICK = 0.5
BID, ASK = (100.0, 20.0), (100.5, 10.0)


def at(seconds):
    return round((1_000 + seconds) * SECOND_NS)


def window(touch, open_s, trades, before, after):
    """Play one window of five seconds: the touch at its beginning, trades of (size, side), the touch at its end."""
    touch.show(at(open_s + 0.1), *before)
    for size, side in trades:
        touch.take(at(open_s + 1), before[1][0] if side > 0 else before[0][0], size, side)
    touch.show(at(open_s + 4), *after)
    touch.pass_time(at(open_s + 5), [after[0]], [after[1]], TICK)


def usual(touch, count=4, size=1.0):
    for n in range(count):
        window(touch, -5 * (count - n), [(size, 1 - 2 * (n % 2))], (BID, ASK), (BID, ASK))


def mirrored(touch):
    """Reflect a touch at 100.25, and so swap its sides."""
    (bid, bids), (ask, asks) = touch
    return (200.5 - ask, asks), (200.5 - bid, bids)


@pytest.mark.parametrize("side", [1, -1])
def test_takers_that_push_and_do_not_move_the_price_are_absorbed_by_the_other_side(side):
    touch = Touch.new(TOLD)
    usual(touch)
    before, after = ((100.0, 20.0), (100.5, 10.0)), ((99.5, 15.0), (100.5, 14.0))
    if side < 0:
        before, after = mirrored(before), mirrored(after)
    window(touch, 0, [(9.0, -side), (3.0, side)], before, after)
    # 12 in all, 75 % of one side: just enough. The mid moved half a tick, the level holds 15 of 20
    price = 99.5 if side > 0 else 101.0
    assert touch.absorbed == Absorbed(side, at(5), price, 9.0, 0.25, 0.75)
    assert touch.absorptions.times == [at(5)]
    (mark,) = touch.zones.rows
    assert (mark.kind, mark.low, mark.high, mark.side) == ("absorption", price, price, side)
    assert (mark.formed_ns, mark.known_ns) == (at(0), at(5))
    assert mark.strength == pytest.approx(0.5)


PUSHED = [(9.0, -1)]


@pytest.mark.parametrize(
    ("trades", "after", "absorbed"),
    [
        (PUSHED, ((100.0, 20.0), (100.5, 10.0)), True),
        (PUSHED, ((99.5, 20.0), (100.0, 10.0)), True),  # one tick
        (PUSHED, ((99.0, 20.0), (100.0, 10.0)), False),  # one tick and a half
        (PUSHED, ((100.5, 20.0), (102.0, 10.0)), False),  # away from where takers pushed: not stayed either
        (PUSHED, ((100.0, 14.0), (100.5, 10.0)), True),  # 70 %
        (PUSHED, ((100.0, 13.9), (100.5, 10.0)), False),
        (PUSHED, ((100.0, 13.9), (100.5, 99.0)), False),  # the passive side counts
        (PUSHED, ((100.0, 20.0), (100.5, 0.1)), True),
        ([(9.0, -1), (3.1, 1)], ((100.0, 20.0), (100.5, 10.0)), False),  # less than 75 % on one side
        ([(0.9, -1)], ((100.0, 20.0), (100.5, 10.0)), False),  # not much
        ([], ((100.0, 20.0), (100.5, 10.0)), False),
    ],
)
def test_what_is_absorption_and_what_is_not(trades, after, absorbed):
    for reflect in (False, True):
        touch = Touch.new(TOLD)
        usual(touch)
        if reflect:
            rows = [(size, -side) for size, side in trades]
            window(touch, 0, rows, mirrored((BID, (100.5, 10.0))), mirrored(after))
        else:
            window(touch, 0, trades, (BID, ASK), after)
        assert (touch.absorbed is not None) == absorbed
        if touch.absorbed is not None:
            assert touch.absorbed.side == (-1 if reflect else 1)
        assert len(touch.absorptions.times) == len(touch.zones.rows) == absorbed


def test_no_window_is_judged_before_enough_are_known():
    for count, judged in [(3, False), (4, True)]:
        touch = Touch.new(TOLD)
        usual(touch, count)
        window(touch, 0, PUSHED, (BID, ASK), (BID, ASK))
        assert (touch.absorbed is not None) == judged
        assert touch.volumes.count == count + 1


def test_a_window_is_large_against_the_windows_before_it_only():
    touch = Touch.new(OrderFlowParameters(least_windows=4, absorb_share=1.0))
    usual(touch, size=8.0)
    window(touch, 0, [(7.8, -1)], (BID, ASK), (BID, ASK))
    assert touch.absorptions.times == []
    window(touch, 5, [(8.2, -1)], (BID, ASK), (BID, ASK))
    assert touch.absorbed is not None
    window(touch, 10, [(8.0, 1)], (BID, ASK), (BID, ASK))
    assert touch.absorbed.side == 1


def test_a_window_whose_end_was_not_seen_in_time_or_whose_book_or_tick_is_unknown_is_not_judged():
    for late, levels, tick, judged in [
        (5.0, True, TICK, True),
        (9.9, True, TICK, True),
        (10.0, True, TICK, False),
        (5.0, False, TICK, False),
        (5.0, True, None, False),
    ]:
        touch = Touch.new(TOLD)
        usual(touch)
        touch.show(at(0.1), BID, ASK)
        touch.take(at(1), 100.0, 9.0, -1)
        touch.pass_time(at(4.9), [BID], [ASK], TICK)
        assert touch.absorptions.times == []
        assert touch.window is not None
        touch.pass_time(at(late), [BID] if levels else [], [ASK], tick)
        assert (touch.absorbed is not None) == judged
        assert touch.window is None


def test_a_hole_forgets_the_window_and_the_queues():
    touch = Touch.new(TOLD)
    usual(touch)
    touch.show(at(0.1), BID, ASK)
    touch.take(at(1), 100.0, 9.0, -1)
    touch.lose()
    touch.show(at(2), BID, ASK)
    touch.pass_time(at(5), [BID], [ASK], TICK)
    assert touch.absorbed is None
    assert touch.bid is not None
    assert touch.bid.taken == 0.0


def refill(touch, start_s, sizes, side, price, takes):
    """Take `takes` at `price` in turn with displays of `sizes` on the passive `side`."""
    other = (price + side * TICK, 5.0)
    for n, size in enumerate(sizes):
        level = (price, size)
        touch.show(at(start_s + n), *((level, other) if side > 0 else (other, level)))
        if n < len(takes):
            touch.take(at(start_s + n + 0.5), price, takes[n], -side)


@pytest.mark.parametrize("side", [1, -1])
def test_a_level_that_gives_three_times_what_it_showed_and_was_refilled_thrice_hints_at_an_iceberg(side):
    touch = Touch.new(TOLD)
    refill(touch, 0, [10.0, 4.0, 10.0, 4.0, 10.0, 4.0, 9.0], side, 100.0, [6.0, 0.0, 6.0, 0.0, 6.0, 0.0, 11.9])
    assert touch.icebergs.times == []  # 29.9 of 30
    touch.take(at(7), 100.0, 0.2, -side)
    assert touch.iceberg is not None
    assert (touch.iceberg_side, touch.iceberg.price) == (side, 100.0)
    assert touch.icebergs.times == [at(7)]
    (mark,) = touch.zones.rows
    assert (mark.kind, mark.low, mark.high, mark.side) == ("iceberg_hint", 100.0, 100.0, side)
    assert (mark.formed_ns, mark.known_ns) == (at(0), at(7))
    assert mark.strength == pytest.approx(1 - 10 / 30.1)
    touch.take(at(8), 100.0, 9.0, -side)
    assert len(touch.icebergs.times) == 1  # each is told once


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("sizes", "takes"),
    [
        ([10.0, 4.0, 10.0, 4.0, 9.0], [15.0, 0.0, 15.0, 0.0, 15.0]),  # refilled twice
        ([10.0, 4.0, 10.0, 4.0, 10.0, 4.0, 9.0], [6.0, 0.0, 6.0, 0.0, 6.0]),  # less than three times
        ([10.0, 12.0, 10.0, 12.0, 10.0, 12.0], [0.0, 0.0, 0.0, 0.0, 0.0, 99.0]),  # it grew before anything was taken
        ([10.0, 9.0, 8.0, 7.0, 6.0], [20.0, 20.0, 20.0, 20.0, 20.0]),  # it never rose
        ([2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 40.0], [6.0, 0.0, 6.0, 0.0, 6.0, 0.0, 80.0]),  # it showed more in the end
    ],
)
def test_what_hints_at_no_iceberg(sizes, takes, side):
    touch = Touch.new(TOLD)
    refill(touch, 0, sizes, side, 100.0, takes)
    assert touch.iceberg is None
    assert touch.icebergs.times == []
    assert touch.zones.rows == []


@pytest.mark.parametrize("side", [1, -1])
def test_a_level_that_was_gone_in_between_begins_anew(side):
    for gone in (False, True):
        touch = Touch.new(TOLD)
        refill(touch, 0, [10.0, 4.0, 10.0, 4.0, 10.0], side, 100.0, [10.0, 0.0, 10.0, 0.0, 10.0])
        if gone:
            refill(touch, 10, [5.0], side, 100.0 - side * TICK, [])
        refill(touch, 11, [4.0, 10.0], side, 100.0, [1.0, 1.0])
        assert (touch.iceberg is None) == gone


def test_takers_of_the_other_side_or_of_another_price_take_nothing_from_a_queue():
    touch = Touch.new(TOLD)
    touch.show(at(0), BID, ASK)
    touch.take(at(1), 100.0, 5.0, 1)
    touch.take(at(1), 99.5, 5.0, -1)
    touch.take(at(1), 101.0, 5.0, 1)
    assert touch.bid == Queue(100.0, 20.0, 20.0, at(0))
    assert touch.ask == Queue(100.5, 10.0, 10.0, at(0))


def test_a_queue_counts_what_was_taken_between_rises_of_its_display():
    queue = Queue(100.0, 10.0, 10.0, 0)
    for taken, shown in [(3.0, 7.0), (0.0, 9.0), (0.0, 12.0), (1.0, 11.0), (1.0, 10.0), (0.0, 10.5)]:
        if taken:
            queue.take(taken)
        queue.show(shown)
    # 7 -> 9 is a refill, 9 -> 12 pays for nothing, 10 -> 10.5 is the second one
    assert (queue.refills, queue.taken, queue.most, queue.shown, queue.owed) == (2, 5.0, 12.0, 10.5, 0.0)
    assert not queue.hides(0.1, 3)
    assert queue.hides(5 / 12, 2)
    assert not queue.hides(5.1 / 12, 2)


def test_what_a_hint_tells_is_of_its_moment_and_stays():
    touch = Touch.new(TOLD)
    refill(touch, 0, [10.0, 4.0, 10.0, 4.0, 10.0, 4.0, 9.0], 1, 100.0, [6.0, 0.0, 6.0, 0.0, 6.0, 0.0, 12.0])
    told = msgspec.msgpack.encode(touch.iceberg)
    assert msgspec.msgpack.decode(told)["taken"] == 30.0
    touch.take(at(8), 100.0, 5.0, -1)
    touch.show(at(9), (100.0, 50.0), (100.5, 5.0))
    assert touch.bid is not None
    assert (touch.bid.taken, touch.bid.most) == (35.0, 50.0)
    assert msgspec.msgpack.encode(touch.iceberg) == told


@pytest.mark.parametrize("side", [1, -1])
def test_a_zone_is_forgotten_when_the_price_has_gone_through_it(side):
    touch = Touch.new(TOLD)
    usual(touch)
    before = (BID, ASK) if side > 0 else mirrored((BID, ASK))
    window(touch, 0, [(9.0, -side)], before, before)
    assert [mark.side for mark in touch.zones.rows] == [side]
    away, through = ((100.5, 9.0), (101.0, 9.0)), ((99.0, 9.0), (99.5, 9.0))
    away, through = (away, through) if side > 0 else (mirrored(away), mirrored(through))
    window(touch, 5, [], before, away)
    assert len(touch.zones.rows) == 1
    window(touch, 10, [], away, through)
    assert touch.zones.rows == []
