import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Indicators
from services.signals.engine.layers.layer import Close
from services.signals.engine.layers.technicals import Technicals


def at(values, bars, layer=None, regime=None):
    close = Close(
        timeframe=Timeframe.M1,
        close_ns=0,
        price=values.close,
        values=values,
        bars=bars,
        run=(),
        ticks={},
        views={},
        forming={},
        marks=(),
        regime=regime,
    )
    return (layer or Technicals.new(EngineConfig())).read(close)


def opinion(closes, width=0.001):
    indicators = Indicators()
    for n, close in enumerate(closes):
        open_ = closes[n - 1] if n else close
        high, low = max(open_, close) * (1 + width), min(open_, close) * (1 - width)
        indicators.add(Bar(n, open_, high, low, close, 1.0))
    assert indicators.values
    return at(indicators.values, indicators.bars)


def test_warms_up_for_34_bars_and_is_sure_after_200():
    closes = [100 + math.sin(n) for n in range(300)]
    assert opinion(closes[:33]).facts == {"cause": "warming_up", "bars": 33}
    assert opinion(closes[:20]).facts["cause"] == "warming_up"
    assert opinion(closes[:34]).confidence == 34 / 200
    assert opinion(closes).confidence == 1.0


def test_follows_a_trend_and_fades_a_stretch_in_a_quiet_market():
    rising = opinion([100 * 1.001**n for n in range(250)])
    falling = opinion([100 * 0.999**n for n in range(250)])
    assert rising.score > 0.5
    assert falling.score < -0.5
    noise = random.Random(3)
    quiet = [100 + noise.gauss(0, 0.05) for _ in range(250)]
    spike = opinion([*quiet, 100.6])
    assert spike.facts["band_deviations"] > 2
    assert spike.facts["reversion"] < 0


def test_a_market_without_any_range_says_nothing():
    assert opinion([100.0] * 60, width=0.0).facts["cause"] == "no_range"


def test_the_scale_of_prices_does_not_matter():
    chance = random.Random(5)
    closes = [100 + sum(chance.gauss(0, 1) for _ in range(4)) for _ in range(260)]
    assert opinion([close * 1e-6 for close in closes]).score == pytest.approx(opinion(closes).score, rel=1e-9)


def test_the_mirrored_market_gets_the_mirrored_score():
    chance = random.Random(7)
    steps = [chance.gauss(0.02, 0.3) for _ in range(260)]
    up, down = Indicators(), Indicators()
    price = mirrored = 1000.0
    for n, step in enumerate(steps):
        before, price = price, price + step
        before_mirrored, mirrored = mirrored, mirrored - step
        up.add(Bar(n, before, max(before, price) + 0.1, min(before, price) - 0.2, price, 1.0))
        down.add(
            Bar(
                n,
                before_mirrored,
                max(before_mirrored, mirrored) + 0.2,
                min(before_mirrored, mirrored) - 0.1,
                mirrored,
                1.0,
            )
        )
    assert up.values
    assert down.values
    there, back = at(up.values, 260), at(down.values, 260)
    assert there.score == pytest.approx(-back.score, abs=1e-9)
    assert there.score != 0


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=90))
def test_every_score_is_bounded_for_any_closes(closes):
    read = opinion(closes)
    assert -1 <= read.score <= 1
    assert 0 <= read.confidence <= 1
    assert not any(isinstance(fact, float) and not math.isfinite(fact) for fact in read.facts.values())
