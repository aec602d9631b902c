"""Quantiles against numpy's, and what every bounded memory forgets."""

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import SECOND_NS
from services.signals.engine.flow.buckets import Bucket, Buckets
from services.signals.engine.flow.quantile import Quantile
from services.signals.engine.flow.recent import Recent
from services.signals.engine.flow.zones import Zones

SIZE = st.floats(1e-9, 1e12)
SHARE = st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.999, 1.0])


@given(st.lists(SIZE, min_size=1, max_size=300), SHARE)
def test_a_quantile_is_numpys_within_a_hundredth(sizes, share):
    quantile = Quantile(10)
    for size in sizes:
        quantile.add(size, 5)
    wanted = float(np.quantile(sizes, share, method="inverted_cdf"))
    assert quantile.at(share) == pytest.approx(wanted, rel=0.01)
    assert (quantile.count, quantile.clamped) == (len(sizes), 0)


def test_a_quantile_of_many_sizes_is_numpys_within_a_hundredth():
    sizes = np.random.default_rng(5).lognormal(0, 3, 20_000)
    quantile = Quantile(10)
    for n, size in enumerate(sizes.tolist()):
        quantile.add(size, n // 1_500)  # in two generations
    for share in (0.5, 0.9, 0.95, 0.99, 0.999, 1.0):
        assert quantile.at(share) == pytest.approx(float(np.quantile(sizes, share)), rel=0.012)


@given(st.lists(st.tuples(SIZE, st.integers(0, 25)), min_size=1, max_size=80), SHARE)
def test_a_quantile_is_of_all_sizes_of_one_span_and_of_none_older_than_two(rows, share):
    quantile, told, at = Quantile(10), [], 100
    for size, step in rows:
        at += step
        quantile.add(size, at)
        told.append((at, size))
        must = [one for when, one in told if when > at - 10]
        may = [one for when, one in told if when > at - 20]
        assert len(must) <= quantile.count <= len(may)
        # what is remembered is an unbroken newest part of what was told
        held = [one for _, one in told[-quantile.count :]]
        assert quantile.at(share) == pytest.approx(float(np.quantile(held, share, method="inverted_cdf")), rel=0.01)


@given(st.lists(st.tuples(SIZE, st.integers(0, 25)), max_size=30))
def test_a_quantile_goes_on_from_its_bytes(rows):
    quantile, restored, at = Quantile(10), Quantile(10), 0
    for size, step in rows:
        at += step
        quantile.add(size, at)
        restored = msgspec.msgpack.decode(msgspec.msgpack.encode(restored), type=Quantile)
        restored.add(size, at)
        assert msgspec.msgpack.encode(restored) == msgspec.msgpack.encode(quantile)


def test_a_quantile_of_nothing_is_none_and_bins_are_bounded():
    quantile = Quantile(10)
    assert quantile.at(0.5) is None
    for n in range(3_000):
        quantile.add(1.05 ** (n - 1_500), 0)
    assert len(quantile.young) <= 2_048
    assert quantile.clamped == 3_000 - 2_048
    assert sum(quantile.young.values()) == quantile.count == 3_000


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 8), st.integers(1, 30))
def test_times_are_counted_in_a_window_and_the_oldest_are_dropped(times, most, window):
    recent = Recent(most)
    for one in times:
        recent.add(one)
    assert recent.times == sorted(recent.times)
    assert len(recent.times) == min(most, len(times))
    assert recent.dropped == len(times) - len(recent.times)
    for as_of in (0, 10, 25, 50, 90):
        held = sum(as_of - window < one <= as_of for one in recent.times)
        assert recent.within(window, as_of) == held
    if len(times) <= most:
        assert recent.times == sorted(times)


def test_the_oldest_time_is_the_one_that_is_dropped_also_when_it_comes_last():
    recent = Recent(2)
    for one in (5, 9, 3, 7):
        recent.add(one)
    assert (recent.times, recent.dropped) == ([7, 9], 2)
    assert (recent.within(2, 9), recent.within(3, 9), recent.within(3, 8)) == (1, 2, 1)


TRADES = st.lists(st.tuples(st.integers(-3, 8), st.integers(1, 9), st.integers(-8, 8).filter(bool)), max_size=60)


@given(TRADES, st.integers(1, 6))
def test_seconds_are_those_that_traded_and_nothing_is_counted_twice(trades, most):
    buckets, at = Buckets(most), 10**6
    naive: dict[int, Bucket] = {}
    late = 0
    for quarters, price, signed in trades:
        at += quarters
        second = at // 4
        opened = buckets.add(at * SECOND_NS // 4, float(price), float(signed))
        if naive and second < max(naive):
            late += 1
            assert not opened
            continue
        assert opened == (second not in naive)
        row = naive.setdefault(second, Bucket(second * SECOND_NS, 0.0))
        row.close = float(price)
        row.bought += max(signed, 0)
        row.sold += max(-signed, 0)
        assert buckets.rows == list(naive.values())[-most:]
    assert buckets.late == late
    assert len(buckets.rows) <= most
    assert all(one.open_ns < other.open_ns for one, other in itertools.pairwise(buckets.rows))


ZONE = st.tuples(
    st.integers(1, 9), st.integers(0, 2), st.sampled_from([1, -1, 0]), st.integers(0, 40), st.floats(-1, 2)
)


@given(st.lists(ZONE, max_size=40), st.integers(1, 5), st.floats(0, 12))
def test_zones_are_the_newest_few_until_time_or_price_has_passed_them(rows, most, price):
    zones = Zones(most, 20)
    kept: dict[tuple[int, int, int], int] = {}
    for low, width, side, known, strength in rows:
        zones.add("z", (float(low), float(low + width)), side, strength, (known - 1, known))
        kept.pop((low, width, side), None)
        kept[low, width, side] = known
        kept = dict(list(kept.items())[-most:])
        assert len(zones.rows) <= most
        assert [(z.low, z.high, z.side, z.known_ns) for z in zones.rows] == [
            (low, low + width, side, known) for (low, width, side), known in kept.items()
        ]
        assert all(0 <= z.strength <= 1 for z in zones.rows)
    assert zones.standing(40) == [z for z in zones.rows if z.known_ns >= 20]
    before = list(zones.rows)
    zones.cross(price)
    gone = [z for z in before if z not in zones.rows]
    assert gone == [z for z in before if z.side * (price - (z.low if z.side > 0 else z.high)) < 0]


def test_a_zone_stands_at_its_edge_and_falls_beyond_it():
    for side in (1, -1):
        zones = Zones(4, 10)
        zones.add("z", (10.0, 11.0), side, 0.5, (0, 1))
        for price in (10.0, 10.5, 11.0, 10.5 + side * 5):
            zones.cross(price)
            assert len(zones.rows) == 1
        zones.cross(10.5 - side * 0.51)
        assert zones.rows == []
