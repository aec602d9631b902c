"""The micro-price against Stoikov's own procedure, done with matrices over all states of symmetrised data."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest

from services.signals.engine.flow.microprice import MicroPrice, state
from services.signals.engine.parameters.order_flow import OrderFlowParameters

TICK = 0.5
TOLD = OrderFlowParameters(balance_halves=3, spread_ticks=2, least_moves=1, least_visits=1, micro_every_ns=10**9)


def walk(seed, n):
    """Return touches of a market whose mid moves towards the thinner queue, one a second."""
    draw = np.random.default_rng(seed)
    ticks, share, touches = 1000, 0.5, []
    for _ in range(n):
        up = share + draw.normal(0, 0.3) > 0.5
        ticks += int(draw.random() < 0.4) * (1 if up else -1) * int(draw.integers(1, 4))
        share = draw.uniform(0.01, 0.99)
        wide = int(draw.integers(1, 5))
        touches.append(((ticks * TICK, 10 * share), ((ticks + wide) * TICK, 10 * (1 - share))))
    return touches


def learned(touches, told=TOLD, tick=TICK):
    micro = MicroPrice.new(told)
    for n, (bid, ask) in enumerate(touches):
        micro.take(n * 10**9, bid, ask, tick)
    return micro


def stoikov(touches, halves, spreads):
    """Return G* in ticks by (bucket of I, bucket of S): sum over i of B^i G1."""
    states: dict[tuple[int, int], int] = {}

    def number(bid, ask):
        bucket = min(2 * halves - 1, int(bid[1] / (bid[1] + ask[1]) * 2 * halves))
        wide = min(spreads, max(1, round((ask[0] - bid[0]) / TICK))) - 1
        return states.setdefault((bucket, wide), len(states))

    steps = []
    for (bid, ask), (bid1, ask1) in pairwise(touches):
        moved = ((bid1[0] + ask1[0]) - (bid[0] + ask[0])) / 2 / TICK
        steps.append((number(bid, ask), number(bid1, ask1), moved))
        mirrored = [((-a[0], a[1]), (-b[0], b[1])) for b, a in ((bid, ask), (bid1, ask1))]
        steps.append((number(*mirrored[0]), number(*mirrored[1]), -moved))
    n, sizes = len(states), sorted({moved for *_, moved in steps if moved})
    stay, leave, change = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, len(sizes)))
    for a, b, moved in steps:
        if moved:
            leave[a, b] += 1
            change[a, sizes.index(moved)] += 1
        else:
            stay[a, b] += 1
    visits = stay.sum(axis=1) + leave.sum(axis=1)
    q, t, r = stay / visits[:, None], leave / visits[:, None], change / visits[:, None]
    inverse = np.linalg.inv(np.eye(n) - q)
    first, step = inverse @ r @ np.array(sizes), inverse @ t
    total = term = first
    for _ in range(10_000):
        term = step @ term
        total = total + term
    return {key: total[at] for key, at in states.items()}


@pytest.mark.parametrize("seed", range(5))
def test_the_table_is_the_sum_of_all_expected_changes(seed):
    touches = walk(seed, 600)
    wanted, micro = stoikov(touches, 3, 2), learned(touches)
    for (bucket, wide), pull in wanted.items():
        side = 1 if bucket >= 3 else -1
        share = (bucket + 0.5) / 6
        bid, ask = (100.0, share), (100.0 + (wide + 1) * TICK, 1 - share)
        assert state(bid, ask, TICK, (3, 2)) == (wide * 3 + (bucket - 3 if side > 0 else 2 - bucket), side)
        assert micro.offset(bid, ask) == pytest.approx(pull * TICK, rel=1e-9, abs=1e-9)
    assert max(wanted.values()) > 0.2


def test_a_heavier_bid_points_up_and_a_mirrored_market_mirrors():
    touches = walk(7, 800)
    mirrored = [((1000 - ask[0], ask[1]), (1000 - bid[0], bid[1])) for bid, ask in touches]
    micro, other = learned(touches), learned(mirrored)
    heavy, light = ((100.0, 9.0), (100.5, 1.0)), ((100.0, 1.0), (100.5, 9.0))
    assert micro.offset(*heavy) > 0 > micro.offset(*light)
    assert micro.offset(*light) == -micro.offset(*heavy)
    assert other.offset(*heavy) == pytest.approx(micro.offset(*heavy), rel=1e-12)
    assert micro.offset((100.0, 5.0), (100.5, 5.0)) == 0.0


def test_it_is_unknown_until_enough_was_seen():
    touches = walk(1, 300)
    assert learned(touches, msgspec.structs.replace(TOLD, least_moves=10_000)).offset(*touches[0]) is None
    rare = learned(touches, msgspec.structs.replace(TOLD, least_visits=10_000))
    assert rare.offset((100.0, 9.0), (100.5, 1.0)) is None


def test_a_smaller_tick_forgets_what_larger_ones_taught():
    micro = learned(walk(1, 300))
    assert micro.table
    micro.take(400 * 10**9, (100.0, 9.0), (100.25, 1.0), TICK / 2)
    assert micro.offset((100.0, 9.0), (100.25, 1.0)) is None


def test_a_hole_in_the_book_is_no_transition():
    micro = learned(walk(1, 300))
    visits, moves = list(micro.young.visits), micro.young.moves
    micro.lose()
    micro.take(301 * 10**9, (900.0, 9.0), (900.5, 1.0), TICK)
    assert (micro.young.visits, micro.young.moves) == (visits, moves)


def test_what_is_older_than_two_spans_is_forgotten():
    micro = learned(walk(1, 300), msgspec.structs.replace(TOLD, sizes_ns=100 * 10**9))
    assert sum(micro.young.visits) + sum(micro.old.visits) <= 200


def test_memory_survives_being_dumped():
    touches = walk(3, 400)
    micro = learned(touches[:200])
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(micro), type=MicroPrice)
    for n, (bid, ask) in enumerate(touches[200:], start=200):
        for one in (micro, again):
            one.take(n * 10**9, bid, ask, TICK)
    assert msgspec.msgpack.encode(micro) == msgspec.msgpack.encode(again)
