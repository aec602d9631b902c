"""The golden ratios against placebos: what counts as held, by hand, and the counts that the page tells."""

from pathlib import Path

import pytest

from libs.common.events import Timeframe
from services.signals.candle_files import read_bars
from services.signals.engine.bars import Bar
from services.signals.engine.fibonacci.placebo import PLACEBO, Tally, tallies
from services.signals.engine.parameters.fibonacci import FibonacciParameters

PAGE = Path(__file__).parents[5] / "docs" / "layers" / "fibonacci.md"
SHORT = FibonacciParameters(wing_bars=2)


def bars(prices, sign=1):
    for n, (before, price) in enumerate(zip([prices[0], *prices], prices, strict=False)):
        edges = sorted((sign * before, sign * price))
        yield Bar(n, sign * before, edges[1] + 0.5, edges[0] - 0.5, sign * price, 1.0)


def rise(*after):
    """A low at 98.5, a high at 120.5, seen two bars later at 116; half of it back is 109.5, 0.3 of it 113.9."""
    calm = [100 + n % 2 for n in range(16)]
    return [*calm, 101, 100, 99, 101, 103, 106, 109, 112, 116, 120, 118, 116, *after]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_level_is_reached_and_then_held_or_broken(sign):
    def of(*after):
        return tallies(bars([sign * 1000 + price for price in rise(*after)], sign), (0.5, 0.05), SHORT)

    assert of(112, 111) == {0.5: Tally(), 0.05: Tally()}  # neither reached, and 0.05 was behind when it was known
    assert of(112, 109)[0.5] == Tally(reached=1)
    assert of(112, 109, 112, 115)[0.5] == Tally(reached=1, held=1)
    assert of(112, 109, 106, 103)[0.5] == Tally(reached=1, broken=1)
    assert of(112, 109, 106, 103, 115)[0.5] == Tally(reached=1, broken=1)


def test_a_rate_needs_a_decision():
    assert Tally(reached=3).hold_rate is None
    assert Tally(reached=3, held=1, broken=2).hold_rate == pytest.approx(1 / 3)


def words(name, count):
    return f"| {name} | {count.reached} | {count.held} | {count.broken} | {100 * count.hold_rate:.1f} % |"


@pytest.mark.recordings
def test_the_page_tells_the_counts_on_real_candles(recordings):
    path = recordings / "ohlcv" / "binance_spot_2024" / "BTC_USDT-15m.feather"
    parameters = FibonacciParameters()
    counts = tallies(read_bars(path, Timeframe.M15), (*parameters.retracements, *PLACEBO), parameters)
    page = PAGE.read_text()
    for ratio, count in sorted(counts.items()):
        assert words(f"{ratio:g}{', placebo' if ratio in PLACEBO else ''}", count) in page
    for name, ratios in {"golden": parameters.retracements, "placebo": PLACEBO}.items():
        total = Tally(*(sum(getattr(counts[ratio], what) for ratio in ratios) for what in Tally.__struct_fields__))
        assert words(f"all {name}", total) in page
