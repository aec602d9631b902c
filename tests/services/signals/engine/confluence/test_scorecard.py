from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import LayerReading, Timeframe
from services.signals.engine.config import EngineConfig, Weight
from services.signals.engine.confluence import scorecard
from services.signals.engine.parameters.confluence import ConfluenceParameters

WEIGHTS = {"a": 0.3, "b": 0.25, "c": 0.45}


def weigh(readings, weights, min_coverage):
    rows = {
        layer: Weight(layer=layer, group=layer, timeframes=tuple(Timeframe), weight=weight)
        for layer, weight in weights.items()
    }
    chosen = ConfluenceParameters(min_coverage=min_coverage, group_cap=1.0, conflict_score=2.0)
    return scorecard.weigh(readings, rows, EngineConfig(confluence=chosen))


def reading(layer, score, confidence, **facts):
    return LayerReading(venue="v", symbol="s", layer=layer, as_of_ns=1, score=score, confidence=confidence, facts=facts)


def test_hand_computed():
    together = weigh([reading("a", 0.5, 1.0), reading("b", -1.0, 0.5), reading("c", 0.8, 1.0)], WEIGHTS, 0.6)
    said = 0.3 + 0.125 + 0.45
    assert together.score == pytest.approx((0.15 - 0.125 + 0.36) / said, rel=1e-14)
    assert together.confidence == pytest.approx(said, rel=1e-14)
    assert [share.layer for share in together.contributions] == ["a", "b", "c"]
    assert (together.absent, together.abstained) == ((), None)


def test_a_silent_layer_is_missing_and_not_zero():
    together = weigh([reading("a", 0.5, 1.0), reading("c", 0.5, 1.0), reading("b", 0, 0, cause="stale")], WEIGHTS, 0.6)
    assert together.score == pytest.approx(0.5, rel=1e-15)
    assert [(absence.layer, absence.cause) for absence in together.absent] == [("b", "stale")]


def test_abstains_below_the_coverage_and_says_whom_it_missed():
    together = weigh([reading("a", 0.5, 1.0), reading("b", 0.5, 1.0)], WEIGHTS, 0.6)
    assert (together.score, together.confidence, together.contributions) == (0.0, 0.0, ())
    assert together.abstained == "coverage 55% below 60% (c: not_read)"
    assert weigh([], {}, 0.6).abstained == "no_layers"
    assert (weigh([], WEIGHTS, 0.0).abstained or "").startswith("coverage 0%")


def test_sixty_percent_is_enough():
    assert weigh([reading("a", 1, 1), reading("b", 1, 1)], {"a": 0.35, "b": 0.25, "c": 0.4}, 0.6).abstained is None


units = st.floats(-1, 1)


@given(st.lists(st.tuples(units, st.floats(0, 1), st.floats(0.01, 5)), min_size=1, max_size=8))
def test_shares_sum_to_the_score_and_weights_to_one(rows):
    readings = [reading(f"l{n}", score, confidence) for n, (score, confidence, _) in enumerate(rows)]
    together = weigh(readings, {f"l{n}": weight for n, (_, _, weight) in enumerate(rows)}, 0.0)
    assert abs(fsum(share.contribution for share in together.contributions) - together.score) < 1e-12
    assert together.abstained or abs(fsum(share.weight for share in together.contributions) - 1) < 1e-12
    assert -1 <= together.score <= 1
    assert 0 <= together.confidence <= 1
