import random
from itertools import pairwise

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.events import (
    MINUTE_NS,
    BookDelta,
    BookSnapshot,
    Candle,
    Direction,
    LayerReading,
    Liquidation,
    Origin,
    Signal,
    Source,
    Timeframe,
    Trade,
)
from services.signals.engine.config import BESIDE, EngineConfig
from services.signals.engine.engine import Engine, EngineStateError
from services.signals.engine.layers import LAYERS
from services.signals.engine.parameters.confluence import ConfluenceParameters
from services.signals.engine.parameters.plan import PlanParameters

M1 = EngineConfig(timeframes=(Timeframe.M1,))
TECHNICALS_NEEDED = EngineConfig(timeframes=(Timeframe.M1,), confluence=ConfluenceParameters(min_coverage=0.7))
"""The layers of tape and book alone are not enough."""


def play(events, engine=None):
    engine = engine or Engine()
    return [output for event in events for output in engine.apply(event)]


def signals(outputs, timeframe="1m"):
    return [output for output in outputs if isinstance(output, Signal) and output.timeframe == timeframe]


def said(signal, layer):
    return next((reading for reading in signal.readings if reading.layer == layer), None)


def history(make, last_s, bars=260, drift=2e-4):
    """Closed minutes that end at `last_s`, oldest first."""
    closes = [100.0 * (1 + drift) ** (n - bars) for n in range(bars)]
    return [make.rest(last_s - (bars - n) * 60, close, width=0.03) for n, close in enumerate(closes)]


def test_a_trending_market_gives_signals_that_can_be_acted_on(make):
    outputs = play([*history(make, 0), *make.market(1, 20, drift=2e-5)], Engine(M1))
    acted = [signal for signal in signals(outputs) if signal.direction is not Direction.NEUTRAL]
    assert len(signals(outputs)) == 20
    assert len(acted) >= 10
    assert {signal.direction for signal in acted} == {Direction.LONG}
    for signal in acted:
        plan = signal.plan
        assert plan.stop < plan.entry_low < signal.price < plan.entry_high < plan.targets[0].price
        assert len(plan.targets) == 3
        assert [target.price for target in plan.targets] == sorted(target.price for target in plan.targets)
        assert plan.expires_ns > signal.as_of_ns
        assert {share.layer for share in signal.contributions} >= {"cvd", "order_flow", "technicals"}
        assert abs(sum(share.contribution for share in signal.contributions) - signal.score) < 1e-12


def test_without_history_the_engine_abstains_and_says_why(make):
    outputs = play(make.market(2, 6), Engine(EngineConfig(confluence=ConfluenceParameters(min_coverage=0.7))))
    assert {signal.abstained is None for signal in signals(outputs)} == {False}
    first = signals(outputs)[0]
    assert (first.direction, first.score, first.plan, first.contributions) == (Direction.NEUTRAL, 0.0, None, ())
    assert "technicals: incomplete_bar" in first.abstained
    assert "technicals: warming_up" in signals(outputs)[1].abstained
    five = signals(outputs, "5m")
    assert [signal.as_of_ns for signal in five] == [make.START, make.START + 5 * MINUTE_NS]
    assert "technicals: incomplete_bar" in five[0].abstained


def test_one_signal_a_bar_with_reproducible_inputs(make):
    outputs = play([*history(make, 0), *make.market(3, 5)], Engine(M1))
    got = signals(outputs)
    assert [signal.as_of_ns for signal in got] == [make.START + n * MINUTE_NS for n in range(6)]
    assert len({signal.signal_id for signal in got}) == 6
    trades = [event for event in make.market(3, 5) if isinstance(event, Trade)]
    last = [trade for trade in trades if trade.event_ns < got[1].as_of_ns][-1]
    book = [event for event in make.market(3, 5) if isinstance(event, BookDelta) and event.event_ns < got[1].as_of_ns][
        -1
    ]
    assert got[1].inputs == {
        "engine_version": "2",
        "config": M1.digest(),
        "last_trade_id": last.trade_id,
        "book_sequence": str(book.last_sequence),
        "bars": "261",
        "bar_source": "trades",
    }
    assert got[1].price == last.price
    assert got[1].known_at_ns >= got[1].as_of_ns


def test_readings_of_ticks_come_at_most_once_a_second(make):
    outputs = play(make.market(4, 3))
    for layer in ("cvd", "order_flow"):
        times = [
            o.as_of_ns for o in outputs if isinstance(o, LayerReading) and o.layer == layer and o.timeframe is None
        ]
        assert len(times) > 60
        assert all(later - earlier >= 10**9 for earlier, later in pairwise(times))


def test_order_flow_counts_only_up_to_five_minutes(make):
    outputs = play(make.market(5, 16))
    for timeframe, counts in {"1m": True, "5m": True, "15m": False}.items():
        signal = signals(outputs, timeframe)[-1]
        assert (said(signal, "order_flow") is not None) is counts
        assert said(signal, "cvd") is not None


def test_a_signal_uses_nothing_after_its_bar(make):
    """What the book does within the two seconds of grace is in no reading of the bar before."""
    head = [*history(make, 0), *[event for event in make.market(6, 1) if event.event_ns < make.START + MINUTE_NS]]
    sequence = max(event.last_sequence for event in head if isinstance(event, BookDelta))
    calm = [make.delta(60.1 + n / 10, [], [], sequence + 1 + n) for n in range(25)]
    wild = [make.delta(60.1 + n / 10, [(99.9 + n / 1e3, 50.0 + n)], [], sequence + 1 + n) for n in range(25)]
    one, other = play([*head, *calm], Engine(M1)), play([*head, *wild], Engine(M1))
    assert signals(one) == signals(other)
    assert len(signals(one)) == 2


def test_bulk_history_after_live_trades_is_used_from_the_next_close_on(make):
    tape = make.market(7, 4)
    early, late = ([e for e in tape if (e.event_ns < make.START + 100 * 10**9) is first] for first in (True, False))
    before = play([*early, *late], Engine(TECHNICALS_NEEDED))
    after = play([*early, *history(make, 60), *late], Engine(TECHNICALS_NEEDED))
    assert signals(before)[-1].abstained is not None
    assert signals(after)[-1].abstained is None
    assert "bars_behind" not in said(signals(after)[-1], "technicals").facts
    assert signals(after)[-1].inputs["bars"] == str(260 + len(signals(after)) - 2)


def test_the_first_value_of_a_bar_counts(make):
    engine = Engine(M1)
    tape = make.market(8, 3)
    play([*history(make, 0), *tape], engine)
    play([make.rest(0, 55.0), make.rest(60, 55.0)], engine)
    assert engine.counts()["candles_known"] == 2
    run = engine._markets["v", "S-USDT"].frames[Timeframe.M1].history.bars
    assert run[-1].close != 55.0
    assert run[-1].source is Source.TRADES


def test_a_hole_restarts_the_warm_up_until_history_fills_it(make):
    tape = make.market(9, 6)
    engine = Engine(TECHNICALS_NEEDED)
    head = [event for event in tape if event.event_ns < make.START + 150 * 10**9]
    tail = [event for event in tape if event.event_ns >= make.START + 150 * 10**9]
    play([*history(make, 0), *head, make.gap(125, 140)], engine)
    cut = [event for event in tail if event.event_ns < make.START + 290 * 10**9]
    first, second = signals(play(cut, engine))
    assert first.abstained is None
    assert said(first, "technicals").facts["bars_behind"] == 1
    assert said(first, "technicals").confidence == 0.5
    assert first.inputs["bars"] == "262"
    assert "technicals: history_hole" in second.abstained
    engine.apply(make.rest(120, 100.0, width=0.05))
    rest = [event for event in tail if event.event_ns >= make.START + 290 * 10**9]
    assert [signal.abstained for signal in signals(play(rest, engine))] == [None, None]


def test_shorter_history_completes_a_longer_bar(make):
    """The first five minutes were not heard from their beginning, but REST tells of each minute missed."""
    tape = make.market(14, 6)
    late = [event for event in tape if event.event_ns > make.START + 70 * 10**9]
    first = [make.rest(60 * n, 100.0 + n) for n in range(2)]
    old = [make.rest(300 * n, 100.0 + n % 7, Timeframe.M5) for n in range(-40, 0)]
    outputs = play([*old, *first, *late])
    (bar,) = [output for output in outputs if isinstance(output, Candle) and output.timeframe == "5m"]
    assert not bar.complete
    (signal,) = signals(outputs, "5m")
    assert signal.inputs["bars"] == "41"
    assert signal.inputs["bar_source"] == "rest"
    readings = [output for output in outputs if isinstance(output, LayerReading) and output.timeframe == "5m"]
    (reading,) = [reading for reading in readings if reading.layer == "technicals"]
    assert reading.confidence == 41 / 200


def test_candles_that_are_not_history_are_passed_over(make):
    engine = Engine(M1)
    outside = [
        make.rest(-60, 100.0, source=Source.TRADES),
        make.rest(-60, 100.0, closed=False),
        make.rest(-3600, 100.0, Timeframe.H1),
        make.rest(-60, float("nan")),
        make.rest(-60, 1.0, width=-0.5),
    ]
    assert play(outside, engine) == []
    assert engine.counts() == {"candles_invalid": 2}
    assert engine._markets["v", "S-USDT"].frames[Timeframe.M1].history.bars == []


def test_history_of_the_future_is_not_seen(make):
    plain = play([*history(make, 0), *make.market(10, 4)], Engine(M1))
    ahead = [make.rest(60 * n, 500.0) for n in range(4, 200)]
    assert play([*history(make, 0), *ahead, *make.market(10, 4)], Engine(M1)) == plain


@pytest.mark.parametrize("origin", [Origin.RECORDED, Origin.SIMULATED])
def test_the_origin_rides_on_everything_and_stays(make, origin):
    tape = make.market(11, 3)
    tape[5] = msgspec.structs.replace(tape[5], origin=origin)
    outputs = play(tape)
    assert outputs[0].origin is Origin.LIVE
    assert outputs[-1].origin is origin
    changes = [a.origin is not b.origin for a, b in pairwise(outputs)]
    assert sum(changes) == 1


def test_a_liquidation_lets_time_pass(make):
    engine = Engine(M1)
    play([make.trade(0)], engine)
    fields = {"venue": "v", "symbol": "S-USDT", "received_ns": 0, "price": 1.0, "size": 1.0, "liquidated": "long"}
    event = msgspec.convert({"type": "liquidation", "event_ns": make.START + 62 * 10**9, **fields}, Liquidation)
    outputs = engine.apply(event)
    assert isinstance(outputs[0], Candle)
    assert len(signals(outputs)) == 1


def test_markets_are_independent_and_can_be_forgotten(make):
    one = make.market(12, 3)
    two = [msgspec.structs.replace(event, venue="w", symbol="T-USDT") for event in make.market(13, 3)]
    both = sorted([*one, *two], key=lambda event: event.event_ns)
    engine = Engine()
    outputs = play(both, engine)
    assert [output for output in outputs if output.venue == "v"] == play(one)
    assert [output for output in outputs if output.venue == "w"] == play(two)
    engine.forget("w", "T-USDT")
    engine.forget("w", "never heard of")
    again = Engine()
    play(one, again)
    assert engine.dump() == again.dump()


def test_dumps_of_another_engine_are_refused():
    data = Engine().dump()
    with pytest.raises(EngineStateError, match="configuration"):
        Engine.load(data, EngineConfig(plan=PlanParameters(fee_rate=0.001)))
    old = msgspec.msgpack.encode({**msgspec.msgpack.decode(data), "version": "0"})
    with pytest.raises(EngineStateError, match="engine version 0"):
        Engine.load(old)
    for broken in (b"", b"\xc1", data[:-1], msgspec.msgpack.encode({"version": "1"})):
        with pytest.raises(EngineStateError, match="not a dump"):
            Engine.load(broken)


def test_the_digest_names_the_configuration():
    assert EngineConfig().digest() == EngineConfig().digest()
    assert EngineConfig().digest() != M1.digest()
    assert len(EngineConfig().digest()) == 12


def test_every_layer_is_weighed_somewhere():
    assert set(LAYERS) - set(BESIDE) <= {row.layer for row in EngineConfig().weights}
    assert not set(BESIDE) & {row.layer for row in EngineConfig().weights}


def faulty(make, seed):
    """A market with lost, swapped and doubled messages, gaps, silences and history."""
    chance = random.Random(seed)
    events = make.market(seed, 4)
    for _ in range(chance.randrange(6)):
        at = chance.randrange(len(events) - 1)
        match chance.randrange(6):
            case 0:
                del events[at]
            case 1:
                events[at], events[at + 1] = events[at + 1], events[at]
            case 2:
                second = chance.uniform(0, 200)
                stream = chance.choice(["trades", "books"])
                events.insert(at, make.gap(second, second + chance.choice([0, 5]), stream, chance.random() < 0.3))
            case 3:
                events[at:at] = history(make, chance.randrange(4) * 60, bars=60)
            case 4:
                shift = chance.choice([90, 1000, 200_000]) * 10**9
                events[at:] = [
                    msgspec.structs.replace(event, event_ns=event.event_ns + shift)
                    if isinstance(event, Trade | BookDelta | BookSnapshot)
                    else event
                    for event in events[at:]
                ]
            case _:
                events.append(make.snapshot(240, [(99.0, 1.0)], [(101.0, 2.0)], 10**6))
    return events


slow = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_a_dump_at_any_moment_goes_on_alike(make, seed, share):
    events = faulty(make, seed)
    cut = round(share * len(events))
    straight, engine = Engine(), Engine()
    expected = play(events, straight)
    head = play(events[:cut], engine)
    loaded = Engine.load(engine.dump())
    assert loaded.dump() == engine.dump()
    assert head + play(events[cut:], loaded) == expected
    assert loaded.dump() == straight.dump()


@slow
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_outputs_of_a_prefix_are_a_prefix_whatever_follows(make, seed, share):
    events = faulty(make, seed)
    cut = round(share * len(events))
    poison = [make.trade(10**5 + n, 1e6 * (n % 2 + 1), 1e6) for n in range(3)]
    head = play(events[:cut])
    assert play(events)[: len(head)] == head
    assert play([*events[:cut], *poison])[: len(head)] == head


@slow
@given(seed=st.integers(0, 10**6), start=st.floats(0, 1), length=st.integers(1, 300))
def test_what_is_delivered_twice_changes_no_output(make, seed, start, length):
    events = faulty(make, seed)
    at = round(start * len(events))
    again = [*events[:at], *events[max(0, at - length) : at], *events[at:]]
    once = play(events)
    assert play(again) == once
    twice = [event for event in events for _ in range(2)]
    assert play(twice) == once


@slow
@given(seed=st.integers(0, 10**6))
def test_scores_and_bars_are_bounded_whatever_happens(make, seed):
    for output in play(faulty(make, seed)):
        match output:
            case Candle():
                assert output.low <= min(output.open, output.close) <= max(output.open, output.close) <= output.high
            case LayerReading() | Signal():
                assert -1 <= output.score <= 1
                assert 0 <= output.confidence <= 1
                assert isinstance(output, LayerReading) or (output.abstained is None or output.score == 0)
