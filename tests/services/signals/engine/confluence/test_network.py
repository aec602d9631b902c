from math import exp, fsum, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from libs.common.events import Calibration, Direction, Origin, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.confluence.gate import PASSED
from services.signals.engine.confluence.models import Models
from services.signals.engine.confluence.network import context_of, infer
from services.signals.engine.memory import Memory
from services.signals.engine.moments import Moment, form_signal

pairs = st.tuples(st.floats(-1, 1), st.floats(0.01, 1))
BARS = [Bar(n * 60 * 10**9, 100, 101, 99, 100, 1.0) for n in range(6)]


def numpy_share(one, reading, context):
    raw = [{"score": reading.score, "confidence": reading.confidence, **context}[name] for name in one.features]
    z = np.array([0.0 if v is None else (v - m) / s for v, m, s in zip(raw, one.mean, one.scale, strict=True)])
    return float(np.array(one.output) @ np.tanh(np.array(one.bias) + np.array(one.weights) @ z))


@given(pairs, pairs, pairs, st.sampled_from([None, "trend", "quiet"]))
def test_inference_equals_numpy_and_its_shares_sum(hand, cvd, technicals, smc, regime):
    made = hand.artefact()
    readings = [
        hand.reading("cvd", *cvd),
        hand.reading("technicals", *technicals, regime_atr_rank=0.8),
        hand.reading("smc", *smc),
    ]
    context = context_of(readings, Timeframe.M5, regime)
    assert context["volatility.percentile"] == 0.8
    assert context["regime.trend"] == {None: None, "trend": 1.0, "quiet": 0.0}[regime]
    said = infer(made, readings, context)
    for one, reading in zip(made.subnets, readings, strict=True):
        assert abs(said.shares[one.layer] - numpy_share(one, reading, context)) < 1e-12
    assert abs(said.intercept + fsum(said.shares.values()) - said.log_odds) < 1e-12


def test_a_silent_layer_adds_nothing_and_changes_no_other(hand):
    made = hand.artefact()
    cvd, silent = hand.reading("cvd", 0.5, 1.0), hand.reading("technicals", 0.9, 0.0, cause="warming_up")
    context = context_of([cvd, silent], Timeframe.M5, None)
    assert context["volatility.percentile"] is None
    said = infer(made, [cvd, silent], context)
    assert list(said.shares) == ["cvd"]
    assert said.log_odds == made.intercept + said.shares["cvd"]
    assert infer(made, [], context).log_odds == made.intercept


def moment(hand, score):
    return Moment(
        venue="v",
        symbol="s",
        origin=Origin.LIVE,
        timeframe=Timeframe.M5,
        as_of_ns=1,
        known_at_ns=2,
        price=100.0,
        readings=[hand.reading(layer, score, 1.0) for layer in ("cvd", "order_flow", "technicals", "smc")],
        marks=(),
        bars=BARS,
        atr=1.0,
        regime="trend",
        inputs={},
    )


def test_without_proof_the_network_is_a_challenger_and_changes_nothing(hand):
    made = hand.artefact(hand.gate(n_effective=10.0))
    alone = form_signal(moment(hand, 0.8), EngineConfig(), Memory())
    beside = form_signal(moment(hand, 0.8), EngineConfig(model=made), Memory())
    assert (beside.log_odds, beside.probability, beside.score) == (alone.log_odds, alone.probability, alone.score)
    said = beside.challenger
    assert said is not None
    assert (beside.model, beside.probability_status) == ("scorecard", "unproven")
    assert (said.model, said.status) == (made.name, "unproven")
    assert abs(said.intercept + fsum(said.contributions.values()) - said.log_odds) < 1e-9
    assert said.probability_up == pytest.approx(1 / (1 + exp(-said.log_odds)))
    assert EngineConfig().digest() != EngineConfig(model=made).digest()


def test_with_proof_its_probability_is_said_and_sums(hand):
    made = hand.artefact(hand.gate(), intercept=3.0)
    signal = form_signal(moment(hand, 0.8), EngineConfig(model=made), Memory())
    assert (signal.model, signal.probability_status) == (made.name, "proven_out_of_sample")
    assert (signal.direction, signal.challenger, signal.intercept) == (Direction.LONG, None, 3.0)
    assert abs(signal.intercept + fsum(one.log_odds for one in signal.contributions) - signal.log_odds) < 1e-9
    assert signal.probability == pytest.approx(1 / (1 + exp(-signal.log_odds)), rel=1e-12)


def test_a_proven_network_that_contradicts_the_score_makes_it_abstain(hand):
    made = hand.artefact(hand.gate(), intercept=-9.0)
    signal = form_signal(moment(hand, 0.8), EngineConfig(model=made), Memory())
    assert signal.abstained is not None
    assert signal.abstained.startswith(f"conflict: {made.name} -")
    assert signal.abstained.endswith("log-odds against a long score")
    assert (signal.direction, signal.plan, signal.probability, signal.log_odds) == (Direction.NEUTRAL, None, None, 0.0)


@pytest.mark.parametrize(
    ("up", "direction", "expected"),
    [
        (0.62, Direction.LONG, Calibration(n=200, observed=0.6, low=0.55, high=0.65)),
        (0.99, Direction.LONG, Calibration(n=200, observed=0.7, low=0.65, high=0.75)),
        (0.38, Direction.SHORT, Calibration(n=200, observed=0.6, low=0.55, high=0.65)),
        (0.62, Direction.NEUTRAL, None),
    ],
)
def test_the_bin_of_the_curve_that_is_nearest_proves_a_probability(hand, up, direction, expected):
    models = Models(status=PASSED, curve=hand.gate().calibration)
    known = models.calibrated(log(up / (1 - up)), direction)
    if expected is None or known is None:
        assert known is expected
    else:
        assert known.n == expected.n
        assert astuple(known) == pytest.approx(astuple(expected))
    assert Models().calibrated(0.4, direction) is None
