import random

import pytest

from libs.common.events import MINUTE_NS, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Indicators
from services.signals.engine.layers.layer import Close
from services.signals.engine.layers.smc import Smc


def invented(seed, count=400, *, mirrored=False, scale=1.0, drift=0.0):
    chance, price = random.Random(seed), 1000.0
    for n in range(count):
        opened, price = price, price + chance.gauss(drift, 2)
        up, down = chance.expovariate(1), chance.expovariate(1)
        values = (opened, max(opened, price) + up, min(opened, price) - down, price)
        if mirrored:
            values = (2000 - values[0], 2000 - values[2], 2000 - values[1], 2000 - values[3])
        first, high, low, last = (value * scale for value in values)
        yield Bar(n * MINUTE_NS, first, high, low, last, 1.0)


def opinions(bars):
    layer, indicators, found = Smc.new(EngineConfig()), Indicators(), []
    for bar in bars:
        values = indicators.add(bar)
        layer.on_bar(bar, values, bar.open_ns + MINUTE_NS)
        close = Close(
            timeframe=Timeframe.M1,
            close_ns=bar.open_ns + MINUTE_NS,
            price=bar.close,
            values=values,
            bars=indicators.bars,
            run=(),
            ticks={},
            views={},
            forming={},
            marks=(),
        )
        found.append(layer.read(close))
    return found


def test_warms_up_and_says_so():
    found = opinions(invented(1, 60))
    assert [opinion.facts.get("cause") for opinion in found[:14]] == ["warming_up"] * 14
    assert found[-1].confidence > 0


def test_a_rising_market_is_read_as_rising_and_a_falling_one_as_falling():
    rising = opinions(invented(2, 600, drift=0.6))[-1]
    falling = opinions(invented(2, 600, drift=-0.6))[-1]
    assert (rising.facts["trend_bias"], falling.facts["trend_bias"]) == (1, -1)
    assert rising.facts["trend_part"] > 0 > falling.facts["trend_part"]


@pytest.mark.parametrize("seed", range(4))
def test_the_mirrored_market_gets_the_mirrored_score(seed):
    for one, other in zip(opinions(invented(seed)), opinions(invented(seed, mirrored=True)), strict=True):
        assert one.score == pytest.approx(-other.score, abs=1e-9)
        assert one.confidence == other.confidence
        assert [(mark.side, mark.kind[-4:]) for mark in one.marks if mark.kind == "order_block"] == [
            (-mark.side, mark.kind[-4:]) for mark in other.marks if mark.kind == "order_block"
        ]


def test_the_scale_of_prices_does_not_matter():
    one, other = opinions(invented(5)), opinions(invented(5, scale=2.0**-20))
    assert [opinion.score for opinion in one] == [opinion.score for opinion in other]


def test_parts_sum_to_the_score_and_everything_is_bounded():
    for opinion in opinions(invented(6, 900)):
        assert -1 <= opinion.score <= 1
        assert 0 <= opinion.confidence <= 1
        assert len(opinion.marks) <= EngineConfig().smc.most_marks
        parts = [part for name, part in opinion.facts.items() if name.endswith("_part")]
        if opinion.confidence:
            assert sum(parts) == pytest.approx(opinion.score, abs=1e-12)


def test_the_number_of_structures_does_not_make_it_sure():
    """A predecessor added confidence for every gap and block it could list, and was sure of any market."""
    found = opinions(invented(7, 900))
    rows = [
        (opinion.confidence, opinion.facts["live_fair_value_gaps"]) for opinion in found[500:] if opinion.confidence
    ]
    assert len({gaps for _, gaps in rows}) > 5
    assert len({confidence for confidence, _ in rows}) <= 4


def test_marks_are_known_before_they_are_shown_and_lie_near():
    found = list(opinions(invented(8, 500)))
    for n, opinion in enumerate(found):
        assert all(mark.formed_ns < mark.known_ns <= (n + 1) * MINUTE_NS for mark in opinion.marks)
