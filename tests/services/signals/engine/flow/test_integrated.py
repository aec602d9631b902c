import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signals.engine.flow.integrated import Integrated, principal

HOUR_NS = 3_600 * 10**9
FLOW = st.floats(-50, 50).map(lambda x: round(x, 3))


def fed(rows, least=3):
    joint = Integrated.new(len(rows[0]), (HOUR_NS, 10**9), least)
    for n, row in enumerate(rows, start=1_000):
        assert joint.due(n * 10**9)
        joint.take(n * 10**9 + n % 7, [float(x) for x in row])
        assert not joint.due(n * 10**9 + 999_999_999)
    return joint


def test_weights_are_numpys_first_component_of_the_decayed_covariance():
    draw = np.random.default_rng(11)
    common = draw.normal(0, 3, 400)
    rows = [[c * w + e for w, e in zip((1.0, 0.8, 0.5), draw.normal(0, 0.7, 3), strict=True)] for c in common]
    joint = fed(rows)
    ages = np.arange(399, -1, -1) * 10**9 / HOUR_NS
    wanted = np.cov(np.array(rows).T, aweights=np.exp(-ages), bias=True)
    values, vectors = np.linalg.eigh(wanted)
    first = vectors[:, -1] * np.sign(vectors[:, -1].sum())
    assert joint.weights == pytest.approx(first.tolist(), rel=1e-8)
    assert joint.explained == pytest.approx(values[-1] / values.sum(), rel=1e-10)
    assert joint.value([1.0, 2.0, 3.0]) == pytest.approx(float(first @ [1, 2, 3]) / np.abs(first).sum(), rel=1e-8)


def test_equal_flows_at_all_levels_integrate_to_that_flow():
    joint = fed([[x, x, x] for x in (1.0, -2.0, 3.0, 0.5)])
    assert joint.value([4.0, 4.0, 4.0]) == pytest.approx(4.0, rel=1e-12)
    assert joint.explained == pytest.approx(1.0, rel=1e-12)


def test_weights_come_from_the_past_alone():
    rows = [[1.0, 0.0], [-1.0, 0.1], [2.0, -0.2], [0.5, 0.0]]
    joint = fed(rows)
    before = list(joint.weights)
    joint.value([0.0, 100.0])
    assert joint.weights == before


def test_it_is_unknown_before_enough_seconds_and_without_flow():
    assert fed([[1.0, 2.0], [2.0, 1.0]]).value([1.0, 1.0]) is None
    assert fed([[0.0, 0.0]] * 5).value([1.0, 1.0]) is None
    assert principal([[0.0, 0.0], [0.0, 0.0]], [0.6, 0.8]) is None


@given(st.lists(st.lists(FLOW, min_size=4, max_size=4), min_size=4, max_size=30))
def test_it_lies_within_the_flows_it_is_made_of(rows):
    joint = fed(rows)
    if joint.weights:
        assert sum(w * w for w in joint.weights) == pytest.approx(1.0, rel=1e-9)
        assert 0 <= joint.explained <= 1 + 1e-9
        assert abs(joint.value(rows[-1])) <= max(abs(x) for x in rows[-1]) * (1 + 1e-9)
