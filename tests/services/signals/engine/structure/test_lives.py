"""Hand-made bars: each structure is found at the close that makes it known, and lives its life in order."""

import pytest

from libs.common.events import MINUTE_NS
from services.signals.engine.bars import Bar
from services.signals.engine.parameters.smc import SmcParameters
from services.signals.engine.structure.gaps import fair_value_gap
from services.signals.engine.structure.levels import Level, Levels
from services.signals.engine.structure.recent import Recent
from services.signals.engine.structure.smart_money import SmartMoney
from services.signals.engine.structure.terms import Moment, Structure
from services.signals.engine.structure.zones import BLOCK, GAP, Zones

SMALL = SmcParameters(swing_left=2, swing_right=2, internal_left=1, internal_right=1, break_margin_atr=0.0)


def bar(n, low, high, close=None, open_=None, volume=1.0):
    open_ = low if open_ is None else open_
    return Bar(n * MINUTE_NS, open_, high, low, high if close is None else close, volume, bought=0.75 * volume)


def fed(bars, told=SMALL, atr=1.0):
    """Return the memory and everything that it found, in order."""
    memory, found = SmartMoney.new(told), []
    for one in bars:
        found += memory.add(one, one.open_ns + MINUTE_NS, atr)
    return memory, found


def test_the_golden_gap_is_known_at_the_third_close():
    recent, found = Recent(10), []
    for n, (high, low) in enumerate([(10, 9), (12, 10.5), (13, 11)]):
        recent.add(bar(n, low, high))
        found.append(fair_value_gap(recent, (n + 1) * MINUTE_NS, None, 0.0))
    assert found[:2] == [None, None]
    gap = found[2]
    assert gap
    assert (gap.side, gap.low, gap.high) == (1, 10, 11)
    assert (gap.formed_ns, gap.known_ns) == (MINUTE_NS, 3 * MINUTE_NS)
    assert (gap.volume, gap.delta) == (3.0, 1.5)


def test_a_gap_smaller_than_the_least_part_of_the_atr_is_none():
    recent = Recent(10)
    for n, (high, low) in enumerate([(10, 9), (12, 10.5), (13, 11)]):
        recent.add(bar(n, low, high))
    assert fair_value_gap(recent, 1, 10.0, 0.1) is not None
    assert fair_value_gap(recent, 1, 10.1, 0.1) is None
    assert fair_value_gap(recent, 1, None, 0.1) is None


def zone(side, low=10.0, high=12.0):
    return Structure("z", side, low, high, 0, MINUTE_NS, history=[Moment("fresh", MINUTE_NS)])


def lived(life, zone_, bars):
    zones = Zones(life, 20, 50)
    zones.open(zone_)
    for one in bars:
        zones.add(one, one.open_ns // MINUTE_NS, one.open_ns + MINUTE_NS)
    return [(moment.state, moment.at_ns // MINUTE_NS) for moment in zone_.history], zones


@pytest.mark.parametrize("side", [1, -1])
def test_a_block_is_touched_mitigated_invalidated_and_turns_into_a_breaker(side):
    def mirrored(n, low, high, close):
        return bar(n, low, high, close) if side > 0 else bar(n, 22 - high, 22 - low, 22 - close)

    bars = [
        mirrored(2, 12.5, 14, 13),  # away
        mirrored(3, 11.9, 13, 12.5),  # touches the near edge
        mirrored(4, 11.0, 13, 12.5),  # half way
        mirrored(5, 9.5, 12, 10.5),  # a wick beyond the far edge, no close
        mirrored(6, 9.0, 11, 9.4),  # closes beyond
        mirrored(7, 8.0, 9.9, 9.0),  # does not reach back
        mirrored(8, 9.0, 10.5, 9.2),  # retested from the other side
        mirrored(9, 9.0, 10.5, 9.2),
    ]
    history, zones = lived(BLOCK, zone(side), bars)
    assert history == [("fresh", 1), ("touched", 4), ("mitigated", 5), ("invalidated", 7), ("breaker", 9)]
    assert not (zones.supports)
    assert not (zones.resists)
    assert not (zones.gone)
    assert not (zones.fills)


def test_a_gap_is_filled_by_a_wick_and_says_how_far_before():
    gap = zone(1)
    zones = Zones(GAP, 20, 50)
    zones.open(gap)
    zones.add(bar(2, 11.5, 13), 2, 3 * MINUTE_NS)
    assert zones.fill(gap) == pytest.approx(0.25)
    zones.add(bar(3, 11.0, 13), 3, 4 * MINUTE_NS)
    assert (gap.state, zones.fill(gap)) == ("half_filled", 0.5)
    zones.add(bar(4, 10.0, 13), 4, 5 * MINUTE_NS)
    assert gap.state == "filled"
    assert zones.supports == []


def test_one_bar_through_a_whole_zone_goes_straight_to_its_end():
    history, _ = lived(BLOCK, zone(1), [bar(2, 8, 13, close=9)])
    assert history == [("fresh", 1), ("invalidated", 3)]


def test_more_zones_than_fit_are_counted():
    zones = Zones(GAP, 2, 50)
    for n in range(5):
        zones.open(Structure("z", 1, 1, 2, n, n, history=[Moment("fresh", n)]))
    assert (len(zones.supports), zones.forgotten, len(zones.fills)) == (2, 3, 2)


@pytest.mark.parametrize(
    ("bars", "swept_at"),
    [
        ([(11, 10.5)], None),  # beyond the level is not reached
        ([(12.5, 11.5)], 0),  # a wick beyond, closing back inside
        ([(12.5, 12.2), (12.6, 11.9)], 1),
        ([(12.5, 12.2), (12.6, 12.4), (12.8, 11.0)], 2),
        ([(12.5, 12.2), (12.6, 12.4), (12.8, 12.1), (12.2, 11.0)], None),  # too late: that was a break
        ([(12.0, 11.5)], None),  # touched, not beyond
    ],
)
def test_a_sweep_goes_beyond_and_closes_back_in_time(bars, swept_at):
    levels, found = Levels(3, 10), []
    levels.open(Level("swing_high", 1, 12.0, 0, 1))
    for n, (high, close) in enumerate(bars):
        found += [(n, s) for s in levels.add(bar(n, 10, high, close), n, (n + 1) * MINUTE_NS)]
    assert [n for n, _ in found] == ([] if swept_at is None else [swept_at])
    for _, sweep in found:
        assert (sweep.side, sweep.low) == (-1, 12.0)
        assert sweep.high == max(high for high, _ in bars[: swept_at + 1])


ZIGZAG = [(10, 11), (11, 12), (12, 13), (11, 12), (10, 11), (9, 10), (10, 11), (11, 12), (12, 13.5), (13, 15), (14, 16)]


def test_structure_is_broken_by_a_close_once_a_pivot_and_known_then():
    _, found = fed([bar(n, low, high) for n, (low, high) in enumerate(ZIGZAG)])
    pivots = [(one.kind, one.bar, one.known_ns // MINUTE_NS) for one in found if one.kind.startswith("swing_")]
    assert ("swing_high", 2, 5) in pivots
    assert ("swing_low", 5, 8) in pivots
    breaks = [one for one in found if one.kind == "swing_bos"]
    assert [(one.side, one.high, one.bar, one.known_ns // MINUTE_NS) for one in breaks] == [(1, 13, 2, 9)]
    block = next(one for one in found if one.kind == "order_block" and one.known_ns == 9 * MINUTE_NS)
    assert (block.low, block.high, block.bar) == (9, 10, 5)  # the bar with the lowest low since the pivot


def test_a_break_against_the_bias_is_a_change_of_character_and_with_force_a_shift():
    up = [bar(n, low, high) for n, (low, high) in enumerate(ZIGZAG)]
    down = [bar(11, 13, 15, 13.5), bar(12, 12.5, 14, 12.6), bar(13, 13, 14), bar(14, 12.9, 14)]
    weak = [bar(15, 8.0, 13, close=8.9, open_=9.5)]
    strong = [bar(15, 8.0, 13, close=8.9, open_=13.0)]
    for last, word in ((weak, "choch"), (strong, "mss")):
        memory, found = fed([*up, *down, *last])
        assert [one.kind for one in found if one.kind.startswith("swing_") and "_" in one.kind][-1] == f"swing_{word}"
        assert memory.trend.bias == -1


def test_a_wick_beyond_a_pivot_is_told_once_and_sets_nothing():
    wicks = [
        bar(11, 14, 17, 15.5),
        bar(12, 14, 16.5, 15),
        bar(13, 14, 15.5, 15),
        bar(14, 14, 18, 15),
        bar(15, 14, 19, 15),
    ]
    memory, found = fed([*(bar(n, low, high) for n, (low, high) in enumerate(ZIGZAG)), *wicks])
    told = [(one.side, one.high, one.known_ns // MINUTE_NS) for one in found if one.kind == "swing_wick_break"]
    assert told == [(1, 17, 15)]
    assert (memory.trend.bias, memory.trend.last) == (1, "bos")


def test_how_much_of_the_last_leg_was_taken_back():
    memory, _ = fed([bar(n, low, high) for n, (low, high) in enumerate(ZIGZAG)])
    high, low = memory.swing.last(1), memory.swing.last(-1)
    assert high
    assert low
    assert (high.high, low.low) == (13, 9)  # the newest leg fell from 13 to 9
    assert memory.position(11) == 0.5
    assert memory.retracement(11) == 0.5
    assert memory.retracement(12) == 0.75
    assert SmartMoney.new(SMALL).retracement(12) is None


def test_a_cluster_of_equal_highs_says_what_became_of_it():
    swept = [(10, 12), (10, 11), (9, 10), (10, 12.05), (10, 11), (9, 10), (10, 12.5, 11)]
    broken = [*swept[:-1], (10, 12.5, 12.4), (12, 13, 12.6), (12, 13, 12.7)]
    for rows, state in ((swept, "swept"), (broken, "broken")):
        bars = [bar(n, row[0], row[1], row[2] if len(row) > 2 else None) for n, row in enumerate([(9, 10), *rows])]
        _, found = fed(bars)
        (cluster,) = [one for one in found if one.kind == "equal_highs"]
        assert (cluster.low, cluster.high) == (12, 12.05)
        assert [moment.state for moment in cluster.history] == ["fresh", state]


def test_yesterday_is_known_only_when_it_is_over_and_only_if_it_was_whole():
    told = SmcParameters()
    hour = 60 * MINUTE_NS
    hours = [Bar(n * hour, 100, 101 + n % 24, 99 - n % 24, 100, 1.0) for n in range(60)]
    memory = SmartMoney.new(told)
    for one in hours[12:24]:
        memory.add(one, one.open_ns + hour, 1.0)
    assert not [level for level in memory.levels.above if level.kind == "previous_day_high"]
    for one in hours[24:49]:
        memory.add(one, one.open_ns + hour, 1.0)
    # the part of the first day that was seen gives none; the second day does, at midnight
    (level,) = [level for level in [*memory.levels.above, *memory.levels.tried] if level.kind == "previous_day_high"]
    assert (level.price, level.formed_ns, level.known_ns) == (124, 24 * hour, 48 * hour)
