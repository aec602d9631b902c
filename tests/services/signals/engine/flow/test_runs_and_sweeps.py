"""Hand-made tapes: which trades are one run, which runs are sweeps or large, and what rests a second later."""

import pytest

from libs.common.events import SECOND_NS, Side
from services.signals.engine.flow.runs import Run, joins
from services.signals.engine.flow.tape import Tape
from services.signals.engine.parameters.order_flow import OrderFlowParameters

TOLD = OrderFlowParameters(least_sizes=20, least_large=40, sizes_every_ns=0, large_share=0.99)
RESTING = (70.0, 30.0)


def tape_of(told=TOLD):
    return Tape.new(told)


def usual(make, tape, count, size=1.0):
    """Take `count` runs of one trade each, one second apart, before the time 0."""
    for n in range(count):
        tape.take(make.trade(n - count, 100.0, size, (Side.BUY, Side.SELL)[n % 2]), None, RESTING)


def take(make, tape, at_s, rows, side, resting=RESTING):
    for n, (price, size) in enumerate(rows):
        tape.take(make.trade(at_s + n / 100, price, size, side), None, resting)


def end(make, tape, at_s):
    tape.pass_time(make.START + round(at_s * SECOND_NS))


UP = [(100.0, 2.0), (100.5, 1.0), (100.5, 3.0), (101.0, 4.0)]
DOWN = [(200 - price, size) for price, size in UP]


@pytest.mark.parametrize(("rows", "side", "resting"), [(UP, Side.BUY, 30.0), (DOWN, Side.SELL, 70.0)])
def test_a_sweep_tells_its_levels_slippage_and_what_rested_before_it(make, rows, side, resting):
    tape = tape_of()
    usual(make, tape, 20)
    take(make, tape, 0, rows, side)
    end(make, tape, 0.1)
    assert tape.sweeps.times == []
    end(make, tape, 0.101)
    assert tape.sweep is not None
    run = tape.sweep.run
    assert (run.side, run.levels, run.size, run.first, run.last) == (side.sign, 3, 10.0, rows[0][0], rows[-1][0])
    # |0 x 2 + 0.5 x 4 + 1 x 4| / 10, for either side
    assert run.slippage == pytest.approx(0.6, rel=1e-12)
    assert (run.open_ns, run.last_ns) == (make.START, make.START + 30_000_000)
    assert (tape.sweep.resting, tape.sweep.replenished) == (resting, None)
    assert tape.sweeps.times == [make.START + 30_000_000]
    assert tape.large is None


def test_two_levels_are_no_sweep_however_large(make):
    tape = tape_of()
    usual(make, tape, 20)
    take(make, tape, 0, [(100.0, 50.0), (100.5, 50.0), (100.0, 50.0), (100.5, 50.0)], Side.BUY)
    end(make, tape, 1)
    assert tape.sweep is None
    assert tape.sweeps.times == []


def test_three_levels_are_no_sweep_unless_the_run_is_as_large_as_the_largest_twentieth(make):
    for size, swept in [(0.3, False), (3.0, False), (3.4, True)]:
        tape = tape_of()
        usual(make, tape, 18)
        for n in (3, 2):  # 2 of 20 runs are of 10: 95 % do not exceed 10
            take(make, tape, -n / 10, [(100.0, 10.0)], (Side.BUY, Side.SELL)[n % 2])
        take(make, tape, 0, [(100.0 + n, size) for n in range(3)], Side.BUY)
        end(make, tape, 1)
        assert (tape.sweep is not None) == swept


def test_nothing_is_judged_before_enough_sizes_are_known(make):
    for count, judged in [(19, False), (20, True)]:
        tape = tape_of()
        usual(make, tape, count)
        tape.pass_time(make.START - 1)
        take(make, tape, 0, UP, Side.BUY)
        end(make, tape, 1)
        # the last usual run ends when the next one begins or time passes: it is known as well
        assert tape.sizes.count == count + 1
        assert (tape.sweep is not None) == judged


def test_large_runs_wait_for_their_own_number_of_sizes_and_for_no_levels(make):
    for count, judged in [(39, False), (40, True)]:
        tape = tape_of()
        usual(make, tape, count)
        take(make, tape, 0, [(100.0, 6.0), (100.0, 5.0)], Side.SELL)
        end(make, tape, 1)
        assert tape.sweep is None
        assert (tape.large is not None) == judged
        assert tape.larges.times == ([make.START + 10_000_000] if judged else [])
        if judged:
            assert tape.large is not None
            assert tape.large.size == 11.0
            assert tape.large_size == pytest.approx(1.0, rel=0.01)


def test_a_run_is_judged_by_the_sizes_before_it_alone(make):
    tape = tape_of(OrderFlowParameters(least_sizes=1, least_large=1, sizes_every_ns=0, large_share=1.0))
    take(make, tape, 0, [(100.0, 5.0)], Side.BUY)
    end(make, tape, 1)
    assert (tape.large, tape.sizes.count) == (None, 1)
    take(make, tape, 2, [(100.0, 5.1)], Side.BUY)
    end(make, tape, 3)
    assert tape.large is not None
    take(make, tape, 4, [(100.0, 4.0)], Side.BUY)
    end(make, tape, 5)
    assert tape.large.size == 5.1


def test_thresholds_are_read_anew_every_so_often_only(make):
    tape = tape_of(OrderFlowParameters(least_sizes=1, least_large=1, sizes_every_ns=10 * SECOND_NS, large_share=1.0))
    for at_s, size in [(0, 1.0), (1, 2.0), (2, 4.0), (11, 3.0), (12, 3.5)]:
        take(make, tape, at_s, [(100.0, size)], Side.BUY)
        end(make, tape, at_s + 0.5)
    # the first reading found nothing; at 11 s the largest so far was 4
    assert tape.large is None
    assert tape.large_size == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize(
    ("at_s", "replenished", "judged"),
    [(0.03, None, False), (1.029, None, False), (1.03, 0.5, True), (2.03, 0.5, True), (2.031, None, True)],
)
def test_what_rests_is_judged_at_the_first_book_a_second_later_unless_that_comes_late(make, at_s, replenished, judged):
    for rows, side, now in [(UP, Side.BUY, (7.0, 15.0)), (DOWN, Side.SELL, (35.0, 9.0))]:
        tape = tape_of()
        usual(make, tape, 20)
        take(make, tape, 0, rows, side)
        end(make, tape, 0.2)
        tape.replenish(make.START + round(at_s * SECOND_NS), *now)
        assert tape.sweep is not None
        assert tape.sweep.replenished == replenished
        # a second book changes nothing once it was judged
        tape.replenish(make.START + round(1.5 * SECOND_NS), 70.0, 30.0)
        assert tape.sweep.replenished == (replenished if judged else 1.0)


def test_without_a_book_before_it_nothing_says_what_was_replenished(make):
    tape = tape_of()
    usual(make, tape, 20)
    take(make, tape, 0, UP, Side.BUY, resting=(0.0, 0.0))
    end(make, tape, 0.2)
    tape.replenish(make.START + SECOND_NS + 50_000_000, 5.0, 5.0)
    assert tape.sweep is not None
    assert (tape.sweep.resting, tape.sweep.replenished) == (0.0, None)


def test_what_rested_is_that_before_the_first_trade_of_the_run(make):
    tape = tape_of()
    usual(make, tape, 20)
    take(make, tape, 0, UP[:1], Side.BUY, resting=(1.0, 40.0))
    take(make, tape, 0.01, UP[1:], Side.BUY, resting=(2.0, 8.0))
    end(make, tape, 1)
    assert tape.sweep is not None
    assert tape.sweep.resting == 40.0


def test_the_other_side_ends_a_run_and_so_does_time(make):
    tape = tape_of()
    usual(make, tape, 20)
    take(make, tape, 0, UP[:2], Side.BUY)
    take(make, tape, 0.03, [(100.5, 0.1)], Side.SELL)
    take(make, tape, 0.04, UP[2:], Side.BUY)
    end(make, tape, 1)
    assert tape.sweep is None
    take(make, tape, 2, UP[:2], Side.BUY)
    take(make, tape, 2.101, UP[2:], Side.BUY)
    end(make, tape, 3)
    assert tape.sweep is None
    assert tape.sizes.count == 25


@pytest.mark.parametrize(
    ("side", "after_ns", "joined"),
    [(1, 0, True), (1, 100, True), (1, 101, False), (1, -1, False), (-1, 50, False)],
)
def test_what_belongs_to_a_run(side, after_ns, joined):
    run = Run(1, 1_000, 1_050, 10.0, 10.0, 1.0, 10.0)
    assert joins(run, 1_000 + after_ns, side, 100) == joined


def test_a_better_price_is_no_new_level(make):
    run = Run(-1, 0, 0, 10.0, 10.0, 1.0, 10.0)
    for price in (10.5, 10.0, 9.5, 9.75, 9.5, 9.0):
        run.take(5, price, 1.0)
    assert (run.levels, run.last, run.size, run.notional) == (3, 9.0, 7.0, 68.25)
    # all sold on average at 9.75, a quarter below the first price
    assert run.slippage == pytest.approx(0.25, rel=1e-12)


def test_a_hole_in_the_trades_forgets_what_was_under_way_and_keeps_what_is_usual(make):
    tape = tape_of()
    usual(make, tape, 45)
    take(make, tape, 0, UP, Side.BUY)
    end(make, tape, 1)
    take(make, tape, 2, UP[:2], Side.BUY)
    assert tape.sweep is not None
    assert tape.large is not None
    known = tape.sizes.count
    tape.lose()
    assert (tape.sweep, tape.large, tape.run, tape.paid, tape.buckets.rows) == (None, None, None, [], [])
    assert (tape.sizes.count, tape.toxicity.portion, tape.print_ns) == (known, 0.0, -1)
    take(make, tape, 2.05, UP[2:], Side.BUY)
    end(make, tape, 3)
    assert tape.sweep is None
    take(make, tape, 4, UP, Side.BUY)
    end(make, tape, 5)
    assert tape.sweep is not None
