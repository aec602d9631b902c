from math import exp, fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Direction, LayerReading, Timeframe
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


ROWS = EngineConfig().weights_of(Timeframe.M5)
LAYERS = ("cvd", "order_flow", "technicals", "timeframes", "smc", "fibonacci", "liquidity")
loose = ConfluenceParameters(min_coverage=0.0, conflict_score=2.0)
spoken = st.lists(st.tuples(units, st.floats(0.01, 1)), min_size=7, max_size=7)


def say(pairs, rows=ROWS, chosen=loose):
    readings = [reading(layer, *pair) for layer, pair in zip(LAYERS, pairs, strict=True)]
    return scorecard.weigh(readings, rows, EngineConfig(confluence=chosen))


def test_a_loud_group_is_cut_to_half_by_hand():
    """4h: trend counts no more than structure says; confidence is over what the cap leaves of the weights."""
    rows = EngineConfig().weights_of(Timeframe.H4)
    readings = [
        reading("technicals", 0.8, 1.0),
        reading("timeframes", 0.2, 1.0),
        reading("smc", 0.4, 0.5),
        reading("fibonacci", -0.2, 1.0),
    ]
    together = scorecard.weigh(readings, rows, EngineConfig())
    said = 0.25 * 0.5 + 0.05
    weights = {one.layer: one.weight for one in together.contributions}
    assert weights["technicals"] + weights["timeframes"] == pytest.approx(0.5)
    assert weights["technicals"] == pytest.approx(0.5 * 0.35 / 0.45)
    assert weights["smc"] == pytest.approx(0.5 * 0.125 / said)
    trend, structure = (0.35 * 0.8 + 0.10 * 0.2) / 0.45, (0.125 * 0.4 - 0.05 * 0.2) / said
    assert together.score == pytest.approx((trend + structure) / 2)
    assert together.confidence == pytest.approx(2 * said / 0.60)
    assert together.log_odds == pytest.approx(together.confidence * together.score)


def test_one_family_alone_is_never_a_signal():
    together = scorecard.weigh(
        [reading("technicals", 1.0, 1.0), reading("timeframes", 1.0, 1.0)],
        EngineConfig().weights_of(Timeframe.H4),
        EngineConfig(),
    )
    assert together.abstained == "coverage 50% below 60% (smc: not_read, fibonacci: not_read)"


@given(spoken)
def test_everything_sums_and_no_group_is_above_its_cap(pairs):
    together = say(pairs)
    shares = together.contributions
    assert abs(fsum(one.log_odds for one in shares) + together.intercept - together.log_odds) < 1e-9
    assert abs(fsum(one.contribution for one in shares) - together.score) < 1e-9
    assert abs(fsum(one.weight for one in shares) - 1) < 1e-9
    for group in {one.group for one in shares}:
        assert fsum(one.weight for one in shares if one.group == group) <= 0.5 + 1e-9
        assert abs(fsum(one.log_odds for one in shares if one.group == group)) <= 0.5 + 1e-9
    assert together.conflict is None or 0 <= together.conflict <= 0.5


@given(spoken, st.integers(0, 6), units)
def test_a_higher_reading_never_lowers_the_score_or_the_odds(pairs, at, other):
    low, high = sorted((pairs[at][0], other))
    before = say([*pairs[:at], (low, pairs[at][1]), *pairs[at + 1 :]])
    after = say([*pairs[:at], (high, pairs[at][1]), *pairs[at + 1 :]])
    assert after.score >= before.score - 1e-12
    assert after.log_odds >= before.log_odds - 1e-12


@given(spoken)
def test_the_mirrored_market_is_the_mirrored_score(pairs):
    one, other = say(pairs), say([(-score, confidence) for score, confidence in pairs])
    assert other.score == -one.score
    assert other.log_odds == -one.log_odds
    assert other.conflict == one.conflict


@given(st.floats(-700, 700))
def test_probabilities_of_both_sides_sum_to_one(log_odds):
    up, down = (scorecard.probability(log_odds, side) for side in (Direction.LONG, Direction.SHORT))
    assert up is not None
    assert down is not None
    assert abs(up + down - 1) < 1e-12
    assert up == pytest.approx(1 / (1 + exp(-log_odds)), rel=1e-12)
    assert scorecard.probability(log_odds, Direction.NEUTRAL) is None


def test_two_loud_groups_that_contradict_each_other_are_a_conflict():
    quarrel = [(0.6, 1), (0.6, 1), (0.1, 1), (0.1, 1), (-0.5, 1), (-0.5, 1), (0, 1)]
    together = say(quarrel, chosen=ConfluenceParameters())
    assert together.abstained == "conflict: flow +0.6 against structure -0.5"
    assert (together.score, together.log_odds, together.contributions) == (0.0, 0.0, ())
    up, down = 0.20 * 0.6 + 0.10 * 0.6 + 0.25 * 0.1 + 0.10 * 0.1, 0.30 * 0.5
    assert together.conflict == pytest.approx(min(up, down) / (up + down))
    other_way = say([(-score, confidence) for score, confidence in quarrel], chosen=ConfluenceParameters())
    assert other_way.abstained == "conflict: flow -0.6 against structure +0.5"
    softer = [(0.6, 1), (0.6, 1), (0.1, 1), (0.1, 1), (-0.49, 1), (-0.49, 1), (0, 1)]
    assert say(softer, chosen=ConfluenceParameters()).abstained is None


def test_a_group_that_hardly_counts_makes_no_conflict():
    pairs = [(0.9, 1), (0.9, 1), (0.5, 1), (0.5, 1), (0.5, 1), (0.5, 1), (-1.0, 1)]
    together = say(pairs, chosen=ConfluenceParameters())
    assert together.abstained is None
    assert 0 < together.conflict < 0.5
