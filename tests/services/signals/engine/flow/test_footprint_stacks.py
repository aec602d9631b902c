"""Tables of taker volume by price row, written by hand: where one side outweighs the other row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import MINUTE_NS, Side
from services.signals.engine.flow.footprint import Footprint, Stack
from services.signals.engine.flow.tape import Tape
from services.signals.engine.parameters.order_flow import OrderFlowParameters

#      row  bought  sold
TABLE = [
    (10, 2.0, 5.0),
    (11, 15.0, 4.0),  # 15 = 3 x 5
    (12, 12.0, 2.0),  # 12 = 3 x 4
    (13, 9.0, 9.0),  # 9 > 3 x 2
    (14, 26.0, 1.0),  # 26 < 3 x 9
    (16, 30.0, 1.0),  # nothing was sold on 15
    (17, 30.0, 0.0),
    (18, 1.0, 9.0),
]


def printed(rows):
    footprint = Footprint(100)
    for row, bought, sold in rows:
        if bought:
            footprint.add(row, bought)
        if sold:
            footprint.add(row, -sold)
    return footprint


def reflected(rows):
    return [(30 - row, sold, bought) for row, bought, sold in rows]


def test_three_rows_that_are_imbalanced_on_the_diagonal_are_a_stack():
    assert printed(TABLE).stacks(3.0, 8.0, 3) == [Stack(11, 13, 1, 36.0)]
    assert printed(reflected(TABLE)).stacks(3.0, 8.0, 3) == [Stack(17, 19, -1, 36.0)]


def test_both_sides_are_told_the_lowest_first_buyers_before_sellers():
    # sold at p against bought at p + 1: 10 has 5 against 15, 13 has 9 against 26, 18 has 9 against nothing
    assert printed(TABLE).stacks(3.0, 8.0, 1) == [
        Stack(11, 13, 1, 36.0),
        Stack(16, 17, 1, 60.0),
        Stack(18, 18, -1, 9.0),
    ]


def test_a_row_without_trades_ends_a_stack():
    rows = [(1, 9.0, 0.0), (2, 9.0, 0.0), (4, 9.0, 0.0), (5, 9.0, 0.0)]
    assert printed(rows).stacks(3.0, 1.0, 3) == []
    assert printed([*rows, (3, 0.0, 1.0)]).stacks(3.0, 1.0, 3) == []
    assert printed([*rows, (3, 1.0, 0.0)]).stacks(3.0, 1.0, 3) == [Stack(1, 5, 1, 37.0)]


@pytest.mark.parametrize(("at", "stack"), [(14.99, []), (15.0, [Stack(11, 13, 1, 36.0)])])
def test_a_row_counts_from_the_ratio_on(at, stack):
    rows = [(10, 2.0, 5.0), (11, at, 4.0), (12, 12.0, 2.0), (13, 9.0, 9.0)]
    assert printed(rows).stacks(3.0, 8.0, 3) == stack


def test_a_row_counts_from_the_least_volume_on():
    assert printed(TABLE).stacks(3.0, 9.0, 3) == [Stack(11, 13, 1, 36.0)]
    assert printed(TABLE).stacks(3.0, 9.01, 3) == []


def test_volumes_are_compared_and_not_numbers_of_trades():
    few, many = Footprint(100), Footprint(100)
    for row in (11, 12, 13):
        few.add(row, 12.0)
        for _ in range(50):
            few.add(row - 1, -0.05)  # 50 trades of 2.5 in all
            many.add(row, 0.05)
        many.add(row - 1, -12.0)
    assert few.stacks(3.0, 3.0, 3) == [Stack(11, 13, 1, 36.0)]
    assert all(one.side == -1 for one in many.stacks(3.0, 2.0, 3))


def test_trades_that_find_no_row_are_counted():
    footprint = Footprint(2)
    for row, signed in [(1, 1.0), (2, 1.0), (3, 1.0), (1, 2.0), (3, -1.0), (4, -1.0), (5, -1.0)]:
        footprint.add(row, signed)
    assert (footprint.bought, footprint.sold, footprint.dropped) == ({1: 3.0, 2: 1.0}, {3: 1.0, 4: 1.0}, 2)


ROWS = st.lists(st.tuples(st.integers(5, 25), st.integers(0, 12), st.integers(0, 12)), max_size=25)


@given(ROWS, st.integers(1, 4), st.sampled_from([1.5, 3.0]))
def test_a_reflected_table_has_reflected_stacks_and_a_row_by_row_search_finds_the_same(rows, fewest, ratio):
    rows = [(row, float(bought), float(sold)) for row, bought, sold in rows]
    footprint = printed(rows)
    found = footprint.stacks(ratio, 2.0, fewest)
    for side, mine, other in ((1, footprint.bought, footprint.sold), (-1, footprint.sold, footprint.bought)):
        heavy = "".join(
            "x" if mine.get(p, 0) >= 2 and mine.get(p, 0) >= ratio * other.get(p - side, 0) else " " for p in range(31)
        )
        at, wanted = 0, []
        for word in heavy.split(" "):
            if len(word) >= fewest:
                total = sum(mine[p] for p in range(at, at + len(word)))
                wanted.append(Stack(at, at + len(word) - 1, side, total))
            at += len(word) + 1
        assert [one for one in found if one.side == side] == wanted
    turned = [Stack(30 - one.high, 30 - one.low, -one.side, one.volume) for one in found]
    assert sorted(turned, key=str) == sorted(printed(reflected(rows)).stacks(ratio, 2.0, fewest), key=str)


def minute(make, tape, rows, *, start_s=0.0):
    """Trade the rows as prices of half a unit, a tenth of a second apart, sold before bought."""
    trades = [(row, size, side) for row, b, s in rows for size, side in ((s, Side.SELL), (b, Side.BUY)) if size]
    for n, (row, size, side) in enumerate(trades):
        tape.take(make.trade(start_s + n / 10, row / 2, size, side), None, (0.0, 0.0))


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_minute_of_the_tape_leaves_its_stacks_as_zones_when_it_is_over(make, mirrored):
    tape = Tape.new(OrderFlowParameters(stack_least=0.5))
    tape.step(0.5)
    rows = [(10, 2.0, 5.0), (11, 15.0, 4.0), (12, 12.0, 2.0), (13, 9.0, 9.0)]
    # 58 in all over 8 rows of a side: 0.5 x 7.25 is what a row must have
    minute(make, tape, reflected(rows) if mirrored else rows, start_s=30)
    assert tape.zones.rows == []
    tape.take(make.trade(60.5, 8.5 if mirrored else 6.5, 1.0, Side.BUY), None, (0.0, 0.0))
    (mark,) = tape.zones.rows
    low, high = (8.5, 9.5) if mirrored else (5.5, 6.5)
    assert (mark.kind, mark.low, mark.high, mark.side) == ("stacked_imbalance", low, high, -1 if mirrored else 1)
    assert (mark.formed_ns, mark.known_ns) == (make.START, make.START + MINUTE_NS)
    assert mark.strength == pytest.approx(36 / 58, rel=1e-12)
    # the next minute begins without the rows of this one
    side = tape.footprint
    assert sum(side.bought.values()) + sum(side.sold.values()) == 1.0


def test_the_least_volume_is_in_average_rows(make):
    for least, stacked in [(9 / 7.25 - 1e-9, True), (9 / 7.25 + 1e-9, False)]:
        tape = Tape.new(OrderFlowParameters(stack_least=least))
        tape.step(0.5)
        minute(make, tape, [(10, 2.0, 5.0), (11, 15.0, 4.0), (12, 12.0, 2.0), (13, 9.0, 9.0)])
        tape.take(make.trade(60.5, 6.5, 1.0), None, (0.0, 0.0))
        assert (tape.zones.rows != []) == stacked


def test_a_smaller_price_step_makes_new_rows_and_a_larger_one_nothing(make):
    tape = Tape.new(OrderFlowParameters())
    tape.step(0.5)
    minute(make, tape, [(10, 2.0, 5.0)])
    for tick in (1.0, 0.5, 0.49999):
        tape.step(tick)
    assert (tape.tick, tape.ticks_changed, tape.footprint.sold) == (0.5, 0, {10: 5.0})
    tape.step(0.1 + 1e-12)
    assert (tape.tick, tape.ticks_changed, tape.footprint.sold) == (0.1, 1, {})
    tape.take(make.trade(1, 5.3, 2.0), None, (0.0, 0.0))
    assert tape.footprint.bought == {53: 2.0}


def test_the_step_is_learnt_from_closes_of_seconds(make):
    tape = Tape.new(OrderFlowParameters())
    for n, price in enumerate((100.0, 100.0, 101.5, 101.0, 101.0, 103.0)):
        tape.take(make.trade(n, price, 1.0), None, (0.0, 0.0))
    assert (tape.tick, tape.ticks_changed) == (0.5, 1)


def test_a_zone_that_the_new_minute_opens_beyond_does_not_stand(make):
    tape = Tape.new(OrderFlowParameters(stack_least=0.5))
    tape.step(0.5)
    minute(make, tape, [(10, 2.0, 5.0), (11, 15.0, 4.0), (12, 12.0, 2.0), (13, 9.0, 9.0)])
    tape.take(make.trade(60.5, 5.0, 1.0), None, (0.0, 0.0))
    assert tape.zones.rows == []
