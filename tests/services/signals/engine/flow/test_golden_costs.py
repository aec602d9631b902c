"""Published and hand computed values of what trading costs: Kyle, Amihud, Roll, VPIN, imbalance, against numpy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deploy.proving.causality import SESSIONS
from libs.common.events import MINUTE_NS, SECOND_NS, Trade
from services.ingest.recording.normalize import Normalizer
from services.signals.engine.book import mid, queue_share, weighted_mid
from services.signals.engine.flow.buckets import Bucket, Buckets
from services.signals.engine.flow.costs import Costs, measured
from services.signals.engine.flow.illiquidity import amihud, roll_spread
from services.signals.engine.flow.regression import through_origin, with_intercept
from services.signals.engine.flow.toxicity import Toxicity, vpin

KYLE_X = [5.0, -3.0, 2.0, -8.0, 6.0, 1.0, -4.0]
KYLE_Y = [0.9, -0.7, 0.5, -1.4, 1.3, 0.1, -0.9]
FLOW = st.integers(-500, 500).map(lambda n: n / 8)
PAIRS = st.lists(st.tuples(FLOW, FLOW), min_size=3, max_size=40)


def test_the_golden_touch():
    bids, asks = [(100.0, 9.0)], [(100.1, 6.0)]
    assert queue_share(bids, asks) == 0.6
    assert mid(bids, asks) == pytest.approx(100.05, abs=1e-12)
    assert weighted_mid(bids, asks) == pytest.approx(100.06, abs=1e-12)


def test_the_golden_vpin():
    portions = [(60, 40), (80, 20), (30, 70), (50, 50), (10, 90)]
    assert vpin([abs(bought - sold) for bought, sold in portions], 100) == pytest.approx(0.40, abs=1e-15)
    assert vpin([], 100) is None


def test_the_golden_vpin_from_the_tape():
    tape = Toxicity(learn_ns=10, learn_buckets=2, most=5)
    tape.add(0, 150.0)
    tape.add(10, -50.0)
    assert tape.portion == 100.0
    for bought, sold in [(60, 40), (80, 20), (30, 70), (50, 50)]:
        tape.add(11, float(bought))
        tape.add(11, float(-sold))
        assert tape.value() is None
    tape.add(12, 10.0)
    tape.add(13, -89.0)
    assert tape.value() is None
    tape.add(14, -1.0)
    assert tape.imbalances == [20.0, 60.0, 40.0, 0.0, 80.0]
    assert tape.value() == pytest.approx(0.40, abs=1e-15)
    tape.add(15, 40.0)
    tape.add(16, -275.0)
    assert tape.imbalances == [0.0, 80.0, 20.0, 100.0, 100.0]
    assert (tape.bought, tape.sold) == (0.0, 15.0)
    assert tape.value() == pytest.approx(0.60, abs=1e-15)


def test_the_golden_lambda():
    line = through_origin(KYLE_X, KYLE_Y)
    assert line is not None
    assert round(line.slope, 6) == 0.195484
    both = with_intercept(KYLE_X, KYLE_Y)
    assert both is not None
    assert (round(both[0], 6), round(both[1], 6)) == (0.195480, -0.000646)


def test_a_slope_with_its_t_and_r2_by_hand():
    line = through_origin([1.0, 2.0, 2.0, -1.0], [2.0, 3.0, 5.0, -2.0])
    # xy = 2 + 6 + 10 + 2, xx = 10, yy = 42; u = 0, -1, 1, 0; s2 = 2 / 3; error = sqrt(2 / 30)
    assert line is not None
    assert line.slope == 2.0
    assert line.t == pytest.approx(2 / math.sqrt(2 / 30), rel=1e-15)
    assert line.r2 == pytest.approx(1 - 2 / 42, rel=1e-15)


@given(PAIRS)
def test_slopes_are_numpys(pairs):
    xs, ys = [list(one) for one in zip(*pairs, strict=True)]
    x, y = np.array(xs), np.array(ys)
    line = through_origin(xs, ys)
    if not x.any():
        assert line is None
    else:
        (slope,), _, _, _ = np.linalg.lstsq(x[:, None], y, rcond=None)
        rest = float(((y - slope * x) ** 2).sum())
        assert line is not None
        assert line.slope == pytest.approx(slope, rel=1e-9, abs=1e-9)
        assert (line.r2 is None) == (not y.any())
        if line.r2 is not None:
            assert line.r2 == pytest.approx(1 - rest / float((y**2).sum()), abs=1e-9)
        if rest > 1e-6:
            assert line.t == pytest.approx(slope / math.sqrt(rest / (len(x) - 1) / float((x**2).sum())), abs=1e-6)
    both = with_intercept(xs, ys)
    if np.ptp(x) == 0:
        assert both is None
    else:
        assert both == pytest.approx(tuple(np.polyfit(x, y, 1)), rel=1e-7, abs=1e-7)


def test_lines_are_absent_where_nothing_determines_them():
    assert through_origin([1.0, 2.0], [1.0, 2.0]) is None
    assert with_intercept([1.0, 2.0], [1.0, 2.0]) is None
    assert through_origin([0.0] * 4, [1.0, 2.0, 3.0, 4.0]) is None
    exact = through_origin([1.0, 2.0, 4.0], [2.0, 4.0, 8.0])
    assert exact is not None
    assert (exact.slope, exact.t, exact.r2) == (2.0, None, 1.0)
    flat = through_origin([1.0, 2.0, 4.0], [0.0, 0.0, 0.0])
    assert flat is not None
    assert (flat.slope, flat.t, flat.r2) == (0.0, None, None)


def test_amihud_is_the_mean_of_the_ratios_and_not_the_ratio_of_the_means():
    assert amihud([0.01, -0.02, 0.5], [100.0, 50.0, 0.0]) == pytest.approx((0.0001 + 0.0004) / 2, rel=1e-15)
    assert amihud([0.01], [0.0]) is None
    assert amihud([], []) is None


@given(st.lists(st.tuples(st.floats(-0.1, 0.1), st.floats(1, 1e9)), min_size=1, max_size=50))
def test_amihud_is_numpys(rows):
    returns, turnover = np.array(rows).T
    found = amihud(returns.tolist(), turnover.tolist())
    assert found == pytest.approx(float(np.mean(np.abs(returns) / turnover)), rel=1e-12)


def test_roll_finds_the_spread_that_a_bouncing_price_pays():
    # changes +s and -s in turn: both series have a covariance of -s^2 exactly, so the spread is 2 s
    assert roll_spread([0.5, -0.5, 0.5, -0.5, 0.5]) == pytest.approx(1.0, rel=1e-15)
    assert roll_spread([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert roll_spread([0.5, -0.5, 0.5]) is None
    assert roll_spread([]) is None


@given(st.lists(FLOW, min_size=4, max_size=60))
def test_roll_is_numpys(changes):
    covariance = float(np.cov(changes[:-1], changes[1:], bias=True)[0, 1])
    assume(abs(covariance) > 1e-6)
    found = roll_spread(changes)
    if covariance > 0:
        assert found is None
    else:
        assert found == pytest.approx(2 * math.sqrt(-covariance), rel=1e-9)


def test_costs_are_of_the_seconds_in_their_units():
    closes, flows = [100.0, 101.0, 100.0, 102.0, 101.0], [9.0, 2.0, -1.0, 3.0, -2.0]
    rows = [Bucket(n, p, max(f, 0.0) + 1, max(-f, 0.0) + 1) for n, (p, f) in enumerate(zip(closes, flows, strict=True))]
    found = measured(rows, 5)
    changes = np.diff(closes)
    line = through_origin(flows[1:], changes.tolist())
    assert found.kyle == line
    assert found.kyle is not None
    # xy = 2 + 1 + 6 + 2, xx = 4 + 1 + 9 + 4
    assert found.kyle.slope == pytest.approx(11 / 18, rel=1e-15)
    assert found.drift == pytest.approx(np.polyfit(flows[1:], changes, 1)[1], rel=1e-12)
    turnover = np.array([4 * 101.0, 3 * 100.0, 5 * 102.0, 4 * 101.0])
    assert found.amihud == pytest.approx(float(np.mean(np.abs(np.diff(np.log(closes))) / turnover)) * 1e6, rel=1e-12)
    covariance = np.cov(changes[:-1], changes[1:], bias=True)[0, 1]
    assert found.roll_bp == pytest.approx(2 * math.sqrt(-covariance) / 101.0 * 1e4, rel=1e-12)
    assert measured(rows, 6) == Costs()


@pytest.fixture(scope="module")
def perpetual(recordings):
    names = SESSIONS["binance-usdm"]
    events = Normalizer("binance-usdm", [recordings / "raw" / name for name in names]).run()
    return [event for event in events if isinstance(event, Trade)]


@pytest.mark.recordings
def test_vpin_of_a_recorded_session_is_that_of_cumulated_volumes_cut_by_numpy(perpetual):
    learned = next(n for n, one in enumerate(perpetual) if one.event_ns - perpetual[0].event_ns >= MINUTE_NS)
    sizes = np.array([one.size for one in perpetual])
    portion = float(sizes[: learned + 1].sum()) / 10
    rest = sizes[learned + 1 :]
    signs = np.array([one.side.sign for one in perpetual[learned + 1 :]])
    total, bought = np.cumsum(rest), np.cumsum(rest * (signs > 0))
    full = np.arange(0, int(total[-1] / portion) + 1) * portion
    taken = np.diff(np.interp(full, [0.0, *total], [0.0, *bought]))
    imbalances = np.abs(2 * taken - portion)

    most, compared = 20, 0
    tape = Toxicity(MINUTE_NS, 10, most)
    for n, one in enumerate(perpetual):
        tape.add(one.event_ns, one.side.sign * one.size)
        if n <= learned:
            assert tape.value() is None
            continue
        done = float(total[n - learned - 1]) / portion
        if abs(done - round(done)) < 1e-6:
            continue
        newest = imbalances[: int(done)][-most:]
        wanted = float(newest.sum()) / (most * portion) if len(newest) == most else None
        assert tape.value() == (None if wanted is None else pytest.approx(wanted, rel=1e-7))
        compared += wanted is not None
    assert tape.portion == pytest.approx(portion, rel=1e-12)
    assert compared > 3_000


@pytest.mark.recordings
def test_costs_of_a_recorded_session_are_numpys_over_its_seconds(perpetual):
    buckets = Buckets(120)
    seconds: dict[int, list[Trade]] = {}
    for one in perpetual:
        buckets.add(one.event_ns, one.price, one.side.sign * one.size)
        seconds.setdefault(one.event_ns // SECOND_NS, []).append(one)
    last = [seconds[key] for key in sorted(seconds)][-120:]
    assert len(last) == 120
    assert buckets.late == 0
    closes = np.array([rows[-1].price for rows in last])
    flows = np.array([sum(one.side.sign * one.size for one in rows) for rows in last])[1:]
    sizes = np.array([sum(one.size for one in rows) for rows in last])[1:]
    changes = np.diff(closes)
    found = measured(buckets.rows, 30)
    (slope,), (rest,), _, _ = np.linalg.lstsq(flows[:, None], changes, rcond=None)
    assert found.kyle is not None
    assert found.kyle.slope == pytest.approx(slope, rel=1e-9)
    assert found.kyle.t == pytest.approx(slope / math.sqrt(rest / 118 / (flows**2).sum()), rel=1e-9)
    assert found.kyle.r2 == pytest.approx(1 - rest / (changes**2).sum(), rel=1e-9)
    returns = np.diff(np.log(closes))
    assert found.amihud == pytest.approx(np.mean(np.abs(returns) / (sizes * closes[1:])) * 1e6, rel=1e-9)
    covariance = np.cov(changes[:-1], changes[1:], bias=True)[0, 1]
    wanted = 2 * math.sqrt(-covariance) / closes[-1] * 1e4 if covariance < 0 else None
    assert found.roll_bp == (None if wanted is None else pytest.approx(wanted, rel=1e-9))


@given(st.lists(st.tuples(st.integers(0, 3), FLOW.filter(bool)), max_size=80), st.integers(1, 6))
def test_vpin_is_bounded_keeps_all_volume_and_comes_only_with_all_its_portions(trades, most):
    tape, at = Toxicity(5, 2, most), 0
    for step, signed in trades:
        at += step
        before = (tape.portion, tape.bought + tape.sold, len(tape.imbalances))
        tape.add(at, signed)
        assert len(tape.imbalances) <= most
        value = tape.value()
        assert (value is not None) == (len(tape.imbalances) == most)
        assert value is None or 0 <= value <= 1
        if before[0]:
            held = tape.bought + tape.sold
            assert 0 <= held < tape.portion * (1 + 1e-12)
            filled = before[1] + abs(signed) - held
            assert filled / tape.portion == pytest.approx(round(filled / tape.portion), abs=1e-6)


def test_seconds_that_traded_are_told_by_their_last_price_and_both_volumes():
    buckets = Buckets(3)
    trades = [(0.2, 10.0, 1.0), (0.9, 11.0, -2.0), (2.0, 12.0, 4.0), (1.9, 99.0, 8.0), (2.9, 13.0, 1.0)]
    for at_s, price, signed in trades:
        opened = buckets.add(round(at_s * SECOND_NS), price, signed)
        assert opened == (at_s in (0.2, 2.0))
    assert buckets.rows == [Bucket(0, 11.0, 1.0, 2.0), Bucket(2 * SECOND_NS, 13.0, 5.0, 0.0)]
    assert buckets.late == 1
    starts = [row.open_ns for row in buckets.rows]
    assert all(before < after for before, after in itertools.pairwise(starts))
