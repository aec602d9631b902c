"""What was found stays found, as it was found: on any bars, cut anywhere, mirrored or scaled."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import MINUTE_NS, Timeframe
from services.signals.candle_files import read_bars
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Indicators
from services.signals.engine.parameters.smc import SmcParameters
from services.signals.engine.structure.smart_money import SmartMoney
from services.signals.engine.structure.terms import Structure

TOLD = SmcParameters(swing_left=4, swing_right=4, internal_left=2, internal_right=2)


def invented(seed, count, *, mirrored=False, scale=1.0):
    chance, price, bars = random.Random(seed), 1000.0, []
    for n in range(count):
        opened, price = price, price + chance.gauss(0, 2)
        up, down = chance.expovariate(1), chance.expovariate(1)
        high, low = max(opened, price) + up, min(opened, price) - down
        values = (opened, high, low, price)
        if mirrored:
            values = (2000 - opened, 2000 - low, 2000 - high, 2000 - price)
        first, top, bottom, last = (value * scale for value in values)
        bars.append(Bar(n * 5 * MINUTE_NS, first, top, bottom, last, 1.0))
    return bars


def log(bars, told=TOLD) -> list[Any]:
    """Return, bar by bar, what became known and every change of state, each as bytes."""
    memory, indicators = SmartMoney.new(told), Indicators()
    alive: list[tuple[Structure, int]] = []
    lines: list[Any] = []
    for one in bars:
        close_ns = one.open_ns + 5 * MINUTE_NS
        found = memory.add(one, close_ns, indicators.add(one).atr_14)
        said: list[Any] = [("new", msgspec.json.encode(structure)) for structure in found]
        said += [(one.structure_id, one.state) for one, states in alive if len(one.history) > states]
        alive = [(one, len(one.history)) for one in [*(one for one, _ in alive), *found]]
        assert all(one.formed_ns < one.known_ns <= close_ns for one in found)
        assert all(moment.at_ns == close_ns for one in found for moment in one.history)
        lines.append(said)
    for one, _ in alive:
        times = [moment.at_ns for moment in one.history]
        assert times == sorted(times)
    return lines


@given(st.integers(0, 10**6), st.integers(1, 250))
def test_the_past_does_not_depend_on_the_future(seed, cut):
    bars = invented(seed, 260)
    whole = log(bars)
    other = log([*bars[:cut], *invented(seed + 1, 260)[cut:]])
    assert other[:cut] == whole[:cut]
    assert log(bars[:cut]) == whole[:cut]


@given(st.integers(0, 10**6))
def test_the_mirrored_market_has_the_mirrored_structures(seed):
    there, back = SmartMoney.new(TOLD), SmartMoney.new(TOLD)
    for one, other in zip(invented(seed, 250), invented(seed, 250, mirrored=True), strict=True):
        found = there.add(one, one.open_ns + 5 * MINUTE_NS, 2.0)
        mirrored = back.add(other, other.open_ns + 5 * MINUTE_NS, 2.0)
        assert sorted((s.side, s.formed_ns, round(s.low, 6)) for s in found) == sorted(
            (-s.side, s.formed_ns, round(2000 - s.high, 6)) for s in mirrored
        )
    assert (there.trend.bias, there.inner.bias) == (-back.trend.bias, -back.inner.bias)


def test_a_price_a_million_times_smaller_has_the_same_structures():
    one, other = log(invented(7, 400)), log(invented(7, 400, scale=2.0**-20))
    assert [[(name, state) for name, state in said if name != "new"] for said in one] == [
        [(name, state) for name, state in said if name != "new"] for said in other
    ]


def test_a_dump_goes_on_as_if_nothing_had_happened():
    bars = invented(3, 300)
    memory = SmartMoney.new(TOLD)
    for one in bars[:150]:
        memory.add(one, one.open_ns + 5 * MINUTE_NS, 2.0)
    data = msgspec.msgpack.encode(memory)
    restored = msgspec.msgpack.decode(data, type=SmartMoney)
    for one in bars[150:]:
        close_ns = one.open_ns + 5 * MINUTE_NS
        assert memory.add(one, close_ns, 2.0) == restored.add(one, close_ns, 2.0)
    assert msgspec.msgpack.encode(memory) == msgspec.msgpack.encode(restored)


def test_memory_is_bounded_on_twenty_thousand_real_bars(recordings):
    bars = read_bars(recordings / "ohlcv" / "binance_spot_2024" / "BTC_USDT-15m.feather", Timeframe.M15)[:20_000]
    told = EngineConfig().smc
    memory, indicators, sizes = SmartMoney.new(told), Indicators(), []
    for n, one in enumerate(bars):
        memory.add(one, one.open_ns + Timeframe.M15.ns, indicators.add(one).atr_14)
        if n % 2000 == 1999:
            sizes.append(len(msgspec.msgpack.encode(memory)))
    assert len(bars) == 20_000
    assert max(sizes[1:]) < 1.6 * sizes[0]
    assert max(sizes) < 200_000
    for zones in (memory.blocks, memory.gaps):
        live = [*zones.supports, *zones.resists]
        assert zones.fills.keys() == {one.structure_id for one in live}


@pytest.mark.parametrize("symbol", ["BTC", "PEPE"])
def test_poisoned_real_bars_leave_the_past_alone(recordings, symbol):
    path = recordings / "ohlcv" / "binance_spot_2024" / f"{symbol}_USDT-1h.feather"
    bars, chance = read_bars(path, Timeframe.H1)[:3_000], random.Random(5)
    whole = log(bars, EngineConfig().smc)
    for cut in chance.sample(range(200, 2_900), 3):
        bad = [Bar(b.open_ns, b.open * 1.2, b.high * 1.3, b.low * 1.1, b.close * 1.2, b.volume * 5) for b in bars[cut:]]
        assert log([*bars[:cut], *bad], EngineConfig().smc)[:cut] == whole[:cut]
