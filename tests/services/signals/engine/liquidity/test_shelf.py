"""What stands, what flickers, what is eaten and what is pulled: bins by hand, one sample a second."""

import pytest

from libs.common.events import SECOND_NS
from services.signals.engine.liquidity.shelf import Shelf
from services.signals.engine.liquidity.walls import walls
from services.signals.engine.parameters.liquidity import LiquidityParameters

TOLD = LiquidityParameters(inner_bins=0)


def run(samples, trades=None, first=None):
    """Return the shelf after one sample a second; `trades` maps a second to what takers took, by bin."""
    shelf = Shelf()
    for second, depths in enumerate(samples):
        number = first[second] if first else 0
        taken = (trades or {}).get(second, {})
        shelf.sample(depths, number, second * SECOND_NS, taken, TOLD)
    return shelf


def test_averages_weigh_the_time_that_a_depth_stood():
    cell = run([[8.0], [2.0], [2.0], [0.0]]).cells[0]
    assert cell.slow == pytest.approx((8 + 2 + 2) / 3)
    assert cell.depth == 0.0
    assert cell.born_ns == 0
    assert cell.age_ns == 3 * SECOND_NS


def test_the_fast_average_forgets_half_in_thirty_seconds():
    cell = run([[10.0]] * 301 + [[0.0]] * 31).cells[0]
    assert cell.fast == pytest.approx(10 * 0.5 ** (31 / 30) / 0.5 ** (1 / 30), rel=1e-9)
    assert cell.slow == pytest.approx(10 * 301 / 331), "a plain mean until it is older than it forgets"


def test_a_steady_wall_is_believed_and_a_flickering_one_is_not():
    steady = run([[50.0]] * 240).cells[0]
    flicker = run([[50.0 if second % 4 == 0 else 1.0] for second in range(240)]).cells[0]
    assert steady.persistence(TOLD) == 1.0
    assert steady.pulled_share() is None
    assert steady.credit(TOLD) == 1.0
    assert flicker.persistence(TOLD) == pytest.approx(0.25, abs=0.02)
    assert flicker.pulled_share() == 1.0
    assert flicker.credit(TOLD) < 0.1


def test_pulled_share_tells_trades_from_cancels():
    depths = [[50.0 if second % 4 == 0 else 1.0] for second in range(240)]
    eaten = {second: {0: 49.0} for second in range(1, 240, 4)}
    half = {second: {0: 24.5} for second in range(1, 240, 4)}
    assert run(depths).cells[0].pulled_share() == 1.0
    assert run(depths, eaten).cells[0].pulled_share() == 0.0
    assert run(depths, half).cells[0].pulled_share() == pytest.approx(0.5, rel=1e-12)
    trusts = [run(depths, trades).cells[0].credit(TOLD) for trades in (None, half, eaten)]
    assert trusts == sorted(trusts)
    assert trusts[2] == pytest.approx(0.25, abs=0.02)


def test_trades_against_what_was_refilled_are_no_cancels():
    cell = run([[10.0]] * 20, {second: {0: 7.0} for second in range(1, 20)}).cells[0]
    assert cell.pulled == 0.0
    assert cell.taken > 100


def test_presence_is_earned():
    assert run([[50.0]] * 2).cells[0].persistence(TOLD) == pytest.approx(1 / 60)
    assert run([[50.0]] * 31).cells[0].persistence(TOLD) == pytest.approx(0.5)


def test_bins_follow_the_price_and_keep_their_memory():
    shelf = run([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [1.0, 2.0, 3.0]], first=[7, 8, 7])
    assert [cell.born_ns // SECOND_NS for cell in shelf.cells] == [2, 0, 0]
    assert [cell.slow for cell in shelf.cells] == [1.0, 2.0, 3.0]
    assert len(run([[1.0] * 5, [1.0] * 2], first=[0, 0]).cells) == 2
    assert [cell.depth for cell in run([[1.0] * 3, [5.0] * 3], first=[0, 90]).cells] == [5.0] * 3


def test_far_bins_may_be_sampled_less_often():
    shelf, often = Shelf(), Shelf()
    for second in range(101):
        depths = [5.0, 3.0 + second // 10, 8.0]
        often.sample(depths, 0, second * SECOND_NS, {}, TOLD)
        whole = second % 5 == 0
        shelf.sample(depths if whole else depths[:1], 0, second * SECOND_NS, {}, TOLD, whole=whole)
    assert [cell.age_ns for cell in shelf.cells] == [100 * SECOND_NS] * 3
    assert [cell.slow for cell in shelf.cells] == pytest.approx([cell.slow for cell in often.cells], rel=1e-12)
    shelf.sample([1.0, 1.0], -1, 101 * SECOND_NS, {}, TOLD, whole=False)
    assert [cell.depth for cell in shelf.cells] == [1.0, 1.0, 13.0, 8.0]
    shelf.sample([1.0], -9, 102 * SECOND_NS, {}, TOLD, whole=False)
    assert [cell.depth for cell in shelf.cells] == [1.0], "what lies between was not looked at"


def far_wall(at, size, base=10.0):
    return [size if number == at else base + number % 3 for number in range(20)]


def test_a_wall_is_high_against_others_at_its_distance():
    # far bins are deep anyway: 40 stands out near the price, not where 35 is usual
    sides = [[10.0] * 5 + [35.0] * 5 for _ in range(120)]
    near, far = ([[*row[:n], 40.0, *row[n + 1 :]] for row in sides] for n in (2, 7))
    plain = run(sides)
    assert [(wall.sign, wall.bin, wall.ratio) for wall in walls(plain, run(near), TOLD)] == [(1, 2, 4.0)]
    assert walls(plain, run(far), TOLD) == []
    assert [(wall.sign, wall.bin) for wall in walls(run(near), plain, TOLD)] == [(-1, 2)]


def test_a_flickering_wall_scores_low():
    quiet = run([far_wall(99, 0.0)] * 240)
    steady = walls(quiet, run([far_wall(6, 200.0)] * 240), TOLD)
    flicker = walls(quiet, run([far_wall(6, 200.0 if n % 3 == 0 else 0.0) for n in range(241)]), TOLD)
    assert [wall.bin for wall in steady] == [wall.bin for wall in flicker] == [6]
    assert steady[0].strength > 0.9
    assert flicker[0].strength < 0.2


def test_walls_do_not_hide_each_other_and_empty_bins_are_no_measure():
    two = run([[100.0 if n in {5, 6} else 10.0 for n in range(20)]] * 90)
    none = run([[10.0] * 20] * 90)
    assert [wall.bin for wall in walls(two, none, TOLD)] == [5, 6]
    empty = run([[0.0] * 4 + [9.0]] * 90)
    assert walls(empty, empty, TOLD) == []
