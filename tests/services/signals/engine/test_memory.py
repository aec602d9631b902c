import msgspec

from libs.common.events import Direction, Label, LayerReading, Origin, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine
from services.signals.engine.memory import Memory
from services.signals.engine.moments import Moment, form_signal
from services.signals.engine.parameters.confluence import ConfluenceParameters

LAYERS = ("cvd", "order_flow", "technicals", "smc", "liquidity")
BARS = [Bar(n * 60 * 10**9, 100, 101, 99, 100, 1.0) for n in range(6)]


def moment(score, *, confidence=1.0, atr: float | None = 1.0, timeframe=Timeframe.M5):
    return Moment(
        venue="v",
        symbol="s",
        origin=Origin.LIVE,
        timeframe=timeframe,
        as_of_ns=1,
        known_at_ns=2,
        price=100.0,
        readings=[
            LayerReading(venue="v", symbol="s", layer=layer, as_of_ns=1, score=score, confidence=confidence)
            for layer in LAYERS
        ],
        marks=(),
        bars=BARS,
        atr=atr,
        regime=None,
        inputs={},
    )


def test_the_word_before_decides_within_the_margin_and_an_abstention_forgets_it():
    memory = Memory()
    labels = [form_signal(moment(score), EngineConfig(), memory).label for score in (0.22, 0.26, 0.22)]
    assert labels == [Label.NEUTRAL, Label.BUY, Label.BUY]
    for refusal in (moment(0.3, confidence=0.0), moment(0.3, atr=None)):
        assert form_signal(moment(0.26), EngineConfig(), memory).label is Label.BUY
        refused = form_signal(refusal, EngineConfig(), memory)
        assert refused.abstained is not None
        assert (refused.label, refused.probability, refused.log_odds) == (Label.NEUTRAL, None, 0.0)
        assert form_signal(moment(0.22), EngineConfig(), memory).label is Label.NEUTRAL


def test_other_timeframes_hold_their_own_words():
    memory = Memory()
    form_signal(moment(0.26), EngineConfig(), memory)
    assert form_signal(moment(0.22, timeframe=Timeframe.M15), EngineConfig(), memory).direction is Direction.NEUTRAL
    assert form_signal(moment(0.22), EngineConfig(), memory).direction is Direction.LONG


def test_layers_that_always_say_the_same_are_one_voice_once_heard_often():
    memory, config = Memory(), EngineConfig()
    said = [form_signal(moment(0.01 * (n % 7)), config, memory).effective_layers for n in range(31)]
    assert said[:29] == [None] * 29
    assert said[30] is not None
    assert abs(said[30] - 1.0) < 1e-9


def test_words_and_voices_survive_a_dump_of_the_engine(make):
    config = EngineConfig(timeframes=(Timeframe.M1,), confluence=ConfluenceParameters(voices_min=2))
    closes = [100.0 * 1.0002 ** (n - 260) for n in range(260)]
    history = [make.rest(60 * (n - 260), price) for n, price in enumerate(closes)]
    tape = make.market(31, 12, drift=1e-4)
    whole, first = Engine(config), Engine(config)
    for event in history:
        whole.apply(event)
        first.apply(event)
    half = len(tape) * 2 // 3
    for event in tape[:half]:
        assert whole.apply(event) == first.apply(event)
    again = Engine.load(first.dump(), config)
    assert again.dump() == first.dump()
    expected = [output for event in tape[half:] for output in whole.apply(event)]
    found = [output for event in tape[half:] for output in again.apply(event)]
    assert msgspec.json.encode(found) == msgspec.json.encode(expected)
    assert again.dump() == whole.dump()
    memory = next(iter(again._markets.values())).memory  # the only way to see that there is something to survive
    assert memory.labels.last
    assert memory.voices[Timeframe.M1].moments
