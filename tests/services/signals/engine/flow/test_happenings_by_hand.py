"""Facts of one market's happenings, from books and trades written by hand."""

import pytest
from msgspec.structs import replace

from libs.common.events import SECOND_NS, Side
from services.signals.engine.flow.happenings import Happenings
from services.signals.engine.parameters.order_flow import OrderFlowParameters

TOLD = OrderFlowParameters(least_sizes=20, sizes_every_ns=0, sweep_share=0.8)


def hand(make, **told):
    happened = Happenings.new(replace(TOLD, **told))
    happened.on_levels(make.START, [(99.5, 6.0), (99.0, 4.0)], [(100.5, 5.0), (101.0, 15.0)])
    return happened


def test_the_balance_of_takers_is_that_of_half_a_minute(make):
    happened = hand(make)
    assert happened.facts(make.START)["tfi"] is None
    for at_s, size, side in [(0, 64.0, Side.BUY), (1.5, 6.0, Side.SELL), (10, 3.0, Side.BUY), (30.9, 1.0, Side.BUY)]:
        happened.on_trade(make.trade(at_s, 100.0, size, side))
    # the second that began at 0 is half a minute older than that at 30
    assert happened.facts(make.START + 31 * SECOND_NS)["tfi"] == pytest.approx((4 - 6) / 10, rel=1e-15)


def test_the_effective_spread_is_twice_the_distance_from_the_mid_before_the_trade_weighted_by_size(make):
    happened = hand(make)
    happened.on_trade(make.trade(1, 100.5, 3.0, Side.BUY))
    assert happened.facts(make.START)["effective_spread_bp"] == pytest.approx(100.0, rel=1e-12)
    happened.on_trade(make.trade(2, 99.0, 1.0, Side.SELL))
    # 100 bp of 3 and 200 bp of 1
    assert happened.facts(make.START)["effective_spread_bp"] == pytest.approx(125.0, rel=1e-12)
    happened.lose_book()
    happened.on_trade(make.trade(3, 90.0, 50.0, Side.SELL))
    assert happened.facts(make.START)["effective_spread_bp"] == pytest.approx(125.0, rel=1e-12)


@pytest.mark.parametrize("lost", [False, True])
def test_facts_of_a_sweep(make, lost):
    happened = hand(make)
    for n in range(20):
        happened.on_trade(make.trade(0.05 * n, 100.0, 1.0, (Side.BUY, Side.SELL)[n % 2]))
    if lost:
        happened.lose_book()
    for n, (price, size) in enumerate([(100.0, 4.0), (100.5, 2.0), (101.0, 4.0)]):
        happened.on_trade(make.trade(2 + n / 100, price, size))
    assert "last_sweep_side" not in happened.facts(make.START + 2 * SECOND_NS + 20_000_000)
    after = [(100.0, 9.0)], [(101.5, 5.0), (102.0, 10.0)]
    happened.on_levels(make.START + 3 * SECOND_NS, *after)
    assert happened.facts(make.START + 3 * SECOND_NS)["last_sweep_replenished"] is None
    happened.on_levels(make.START + 3 * SECOND_NS + 20_000_000, *after)
    facts = happened.facts(make.START + 4 * SECOND_NS)
    assert (facts["sweeps"], facts["last_sweep_side"], facts["last_sweep_levels"]) == (1, 1, 3)
    assert facts["last_sweep_base"] == 10.0
    # (0.5 x 2 + 1 x 4) / 10 of 100
    assert facts["last_sweep_slippage_bp"] == pytest.approx(50.0, rel=1e-9)
    # 15 of the 20 that rested on the asks before
    assert facts["last_sweep_replenished"] == (None if lost else 0.75)
    assert happened.facts(make.START + 602 * SECOND_NS)["sweeps"] == 1
    assert happened.facts(make.START + 602 * SECOND_NS + 20_000_000)["sweeps"] == 0
    happened.lose_trades()
    assert "last_sweep_side" not in happened.facts(make.START + 4 * SECOND_NS)


def test_a_zone_is_forgotten_after_its_time(make):
    happened = hand(make, mark_ns=60 * SECOND_NS)
    happened.touch.zones.add("absorption", (99.5, 99.5), 1, 0.5, (make.START, make.START + 5))
    assert len(happened.marks(make.START + 60 * SECOND_NS + 5)) == 1
    assert happened.marks(make.START + 60 * SECOND_NS + 6) == []
