"""Bars alone through the engine: as the engine itself says it, and never otherwise for what comes later."""

import random

import msgspec
import pytest

from libs.common.events import LayerReading, Side, Timeframe, Trade
from services.signals.candle_files import read_finest
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine
from services.signals.engine.walk import Walk

pytestmark = pytest.mark.recordings

CONFIG = EngineConfig()
BARS = ("smc", "technicals", "timeframes", "fibonacci")
MONDAY = 1_748_822_400 * 10**9  # 2025-06-02 00:00 UTC
T = Timeframe


@pytest.fixture(scope="module")
def minutes(recordings):
    base, bars = read_finest(recordings / "ohlcv" / "bybit_linear_2025" / "BTCUSDT_1m.csv.gz")
    assert base is T.M1
    return [bar for bar in bars if bar.open_ns >= MONDAY]


def fresh(judged=T.M5, layers=BARS):
    return Walk.new("bybit", "BTC-USDT-PERP", layers, CONFIG, base=T.M1, judged=judged)


def dump(walk):
    return msgspec.msgpack.encode(walk)


def load(data):
    return msgspec.msgpack.decode(data, type=Walk)


def trades_of(bar):
    for quarter, price in enumerate((bar.open, bar.high, bar.low, bar.close)):
        yield Trade(
            venue="bybit",
            symbol="BTC-USDT-PERP",
            event_ns=bar.open_ns + quarter * 15 * 10**9,
            received_ns=0,
            price=price,
            size=bar.volume / 4,
            side=Side.BUY,
            trade_id=f"{bar.open_ns}-{quarter}",
        )


def test_says_what_the_engine_says_of_trades_that_make_these_bars(minutes):
    engine, walk = Engine(CONFIG), fresh(layers=BARS[1:])
    said = {
        (reading.layer, reading.as_of_ns): reading
        for bar in minutes[:1501]
        for event in trades_of(bar)
        for reading in engine.apply(event)
        if isinstance(reading, LayerReading) and reading.timeframe is T.M5
    }
    compared = 0
    for bar in minutes[:1500]:
        for own in walk.take(bar, CONFIG):
            theirs = said[own.layer, own.as_of_ns]
            if own.layer == "fibonacci":  # the engine's other layers have marks of trades, so confluence differs
                alike = [{**reading.facts, "confluence": None} for reading in (own, theirs)]
                assert alike[0] == alike[1]
            else:
                assert (own.score, own.confidence, own.facts) == (theirs.score, theirs.confidence, theirs.facts)
            compared += own.confidence > 0
    assert compared > 700


def test_a_dumped_walk_goes_on_to_the_byte(minutes):
    plain, resumed = fresh(), fresh()
    for n, bar in enumerate(minutes[:1500]):
        if n % 173 == 0:
            resumed = load(dump(resumed))
        assert resumed.take(bar, CONFIG) == plain.take(bar, CONFIG)
    assert dump(resumed) == dump(plain)


def poisoned(chance, last, count):
    price = last.close
    for n in range(count):
        before, price = price, price * (1 + chance.gauss(0, 0.002))
        top, bottom = max(before, price) * 1.001, min(before, price) * 0.999
        yield Bar(last.open_ns + (n + 1) * T.M1.ns, before, top, bottom, price, 1e6 * chance.random())


def structures(readings, until_ns):
    """Return what is fixed of every named structure that was known by then."""
    return {
        mark.mark_id: (mark.kind, mark.formed_ns, mark.known_ns)
        for reading in readings
        for mark in reading.marks
        if mark.mark_id and mark.known_ns <= until_ns
    }


def test_no_reading_of_300_prefixes_of_20000_bars_changes(minutes):
    chance, every = random.Random(300), 100
    bars = minutes[:20_000]
    assert len(bars) == 20_000
    walk, dumps, said = fresh(T.M15), [], []
    for n, bar in enumerate(bars):
        if n % every == 0:
            dumps.append(dump(walk))
        said.append(walk.take(bar, CONFIG))
    assert sum(map(len, said)) == 1_333 * len(BARS)
    shared = 0
    for t in chance.sample(range(1, 20_000), 300):
        first = (t - 1) // every
        walk = load(dumps[first])
        again = [walk.take(bar, CONFIG) for bar in bars[first * every : t]]
        assert again == said[first * every : t]
        until_ns = bars[t - 1].open_ns + T.M1.ns
        after = [reading for bar in poisoned(chance, bars[t - 1], 16) for reading in walk.take(bar, CONFIG)]
        assert all(reading.as_of_ns > until_ns for reading in after)
        honest = structures((reading for one in said[first * every : t + 16] for reading in one), until_ns)
        known = structures(after, until_ns)
        both = honest.keys() & known.keys()
        assert {name: honest[name] for name in both} == {name: known[name] for name in both}
        shared += len(both)
    assert shared > 500


def test_a_run_of_a_prefix_from_nothing_is_the_start_of_the_whole_run(minutes):
    whole = [reading for walk in [fresh()] for bar in minutes[:900] for reading in walk.take(bar, CONFIG)]
    for t in (1, 4, 5, 333, 899):
        walk = fresh()
        prefix = [reading for bar in minutes[:t] for reading in walk.take(bar, CONFIG)]
        assert prefix == whole[: len(prefix)]
        assert len(prefix) == t // 5 * len(BARS)


def test_no_view_is_ever_stale(minutes):
    chance, walk = random.Random(8), fresh(layers=("timeframes",))
    missing = set(chance.sample(range(1, 4_000), 25))
    present = [bar for n, bar in enumerate(minutes[:4_000]) if n not in missing]
    holes = {minutes[n].open_ns for n in missing}
    absent = 0
    for bar in present:
        for reading in walk.take(bar, CONFIG):
            for timeframe in T:
                ends_ns = timeframe.open_ns(reading.as_of_ns)
                starts_ns = ends_ns - timeframe.ns
                whole = starts_ns >= MONDAY and not any(starts_ns <= hole < ends_ns for hole in holes)
                ago = reading.facts.get(f"closed_ago_s_{timeframe}")
                if whole:
                    assert ago == (reading.as_of_ns - ends_ns) // 10**9 < timeframe.ns // 10**9
                else:
                    absent += 1
                    assert ago is None
                    assert reading.facts[f"absent_{timeframe}"] == "no_bar"
    assert absent > 1_000


def test_the_scale_of_prices_does_not_matter(minutes):
    layers = BARS[1:]
    there, tiny = fresh(layers=layers), fresh(layers=layers)
    spoken = 0
    for bar in minutes[:1_200]:
        first, high, low, close = (price * 1e-6 for price in (bar.open, bar.high, bar.low, bar.close))
        small = Bar(bar.open_ns, first, high, low, close, bar.volume)
        for one, other in zip(there.take(bar, CONFIG), tiny.take(small, CONFIG), strict=True):
            assert other.score == pytest.approx(one.score, abs=1e-6)
            spoken += one.score != 0
    assert spoken > 300
