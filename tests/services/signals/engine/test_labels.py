import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Direction, Label, Timeframe
from services.signals.engine.config import EngineConfig, Weight
from services.signals.engine.labels import Labels, judge
from services.signals.engine.parameters.confluence import ConfluenceParameters

CONFIG = EngineConfig()
RANK = {Label.STRONG_SELL: -2, Label.SELL: -1, Label.NEUTRAL: 0, Label.BUY: 1, Label.STRONG_BUY: 2}


@pytest.mark.parametrize(
    ("score", "direction", "label"),
    [
        (0.249999, Direction.NEUTRAL, Label.NEUTRAL),
        (0.25, Direction.LONG, Label.BUY),
        (0.5, Direction.LONG, Label.STRONG_BUY),
        (-0.249999, Direction.NEUTRAL, Label.NEUTRAL),
        (-0.25, Direction.SHORT, Label.SELL),
        (-0.5, Direction.SHORT, Label.STRONG_SELL),
    ],
)
def test_words_are_entered_alike_on_both_sides(score, direction, label):
    assert judge(score, Label.NEUTRAL, CONFIG) == (direction, label)


def test_a_word_is_left_later_than_it_is_entered():
    labels = Labels()
    path = [0.24, 0.25, 0.21, 0.199, 0.21, 0.5, 0.46, 0.449, 0.49, 0.2, -0.24, -0.26, -0.2, -0.19, -0.6, 0.6]
    said = [RANK[labels.say(Timeframe.M1, score, CONFIG)[1]] for score in path]
    assert said == [0, 1, 1, 0, 0, 2, 2, 1, 1, 1, 0, -1, -1, 0, -2, 2]


def test_a_reset_forgets_and_timeframes_are_apart():
    labels = Labels()
    labels.say(Timeframe.M1, 0.3, CONFIG)
    assert labels.say(Timeframe.M5, 0.22, CONFIG)[1] is Label.NEUTRAL
    assert labels.say(Timeframe.M1, 0.22, CONFIG)[1] is Label.BUY
    labels = msgspec.msgpack.decode(msgspec.msgpack.encode(labels), type=Labels)
    assert labels.say(Timeframe.M1, 0.22, CONFIG)[1] is Label.BUY
    labels.reset(Timeframe.M1)
    assert labels.say(Timeframe.M1, 0.22, CONFIG)[1] is Label.NEUTRAL


@given(st.sampled_from([0.25, 0.5]), st.sampled_from([1, -1]), st.lists(st.floats(-0.049, 0.049), max_size=40))
def test_no_flapping_within_the_margin(threshold, side, wiggles):
    labels = Labels()
    labels.say(Timeframe.M1, side * threshold, CONFIG)
    entered = labels.last[Timeframe.M1]
    said = {labels.say(Timeframe.M1, side * (threshold + wiggle), CONFIG)[1] for wiggle in wiggles}
    assert said <= {entered}


@given(st.floats(-1, 1), st.floats(-1, 1), st.sampled_from(list(Label)))
def test_a_higher_score_is_never_a_lower_word_and_both_sides_mirror(one, other, before):
    low, high = sorted((one, other))
    assert RANK[judge(low, before, CONFIG)[1]] <= RANK[judge(high, before, CONFIG)[1]]
    mirrored = next(label for label in Label if RANK[label] == -RANK[before])
    assert RANK[judge(-one, mirrored, CONFIG)[1]] == -RANK[judge(one, before, CONFIG)[1]]


def rows(layer, *timeframes, weight=0.1):
    return EngineConfig(weights=(Weight(layer=layer, group="g", timeframes=timeframes, weight=weight),))


@pytest.mark.parametrize(
    ("layer", "timeframe"),
    [("order_flow", Timeframe.M15), ("order_flow", Timeframe.W1), ("smc", Timeframe.M1), ("fibonacci", Timeframe.M1)],
)
def test_a_layer_counts_only_within_its_horizon(layer, timeframe):
    with pytest.raises(ValueError, match=f"{layer} may not count in {timeframe}, only in"):
        rows(layer, timeframe)


def test_weights_are_positive_and_said_once():
    rows("order_flow", Timeframe.M5)
    for weight in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be a number above zero"):
            rows("cvd", Timeframe.M5, weight=weight)
    with pytest.raises(ValueError, match="two weights in 5m"):
        rows("cvd", Timeframe.M5, Timeframe.M5)
    with pytest.raises(ValueError, match="label_margin"):
        ConfluenceParameters(label_margin=0.3)
    with pytest.raises(ValueError, match="group_cap"):
        ConfluenceParameters(group_cap=0.0)
    with pytest.raises(ValueError, match="min_coverage"):
        ConfluenceParameters(min_coverage=1.1)
