"""The close of one bar in, the signal of that moment out."""

import hashlib
from collections.abc import Sequence

from msgspec import Struct

from libs.common.events import Direction, Label, LayerReading, Mark, Origin, Plan, Signal, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.config import BESIDE, ENGINE_VERSION, EngineConfig
from services.signals.engine.confluence.models import compare
from services.signals.engine.confluence.scorecard import probability, refuse, weigh
from services.signals.engine.memory import Memory
from services.signals.engine.plan import draw_plan
from services.signals.engine.sizing import depth_cap


class Moment(Struct, frozen=True, kw_only=True):
    """All that a signal is made of: nothing in it is later than the close of the bar."""

    venue: str
    symbol: str
    origin: Origin
    timeframe: Timeframe
    as_of_ns: int
    known_at_ns: int
    price: float
    readings: Sequence[LayerReading]
    marks: Sequence[Mark]
    """What all layers hold to matter, in no order."""
    bars: Sequence[Bar]
    """The unbroken history that ends with this bar, or with the one before it when this one is incomplete."""
    atr: float | None
    regime: str | None
    inputs: dict[str, str]


def signal_id(venue: str, symbol: str, timeframe: Timeframe, as_of_ns: int) -> str:
    """Return the id that every computation of this signal arrives at."""
    name = f"{venue}|{symbol}|{timeframe}|{as_of_ns}|{ENGINE_VERSION}"
    return f"sig_{hashlib.sha256(name.encode()).hexdigest()[:20]}"


def form_signal(moment: Moment, config: EngineConfig, memory: Memory) -> Signal:
    """Return what the engine believes at `moment`; a refusal to judge is a signal too, and says why."""
    weights = config.weights_of(moment.timeframe)
    readings = tuple(reading for reading in moment.readings if reading.layer in weights)
    together = weigh(readings, weights, config)
    opinion = compare(config.model, readings, moment.timeframe, moment.regime)
    effective = _effective(readings, moment, config, memory)
    abstained = together.abstained
    direction, label = Direction.NEUTRAL, Label.NEUTRAL
    plan: Plan | None = None
    if abstained is None:
        direction, label = memory.labels.say(moment.timeframe, together.score, config)
        abstained = opinion.veto(direction)
    if direction is not Direction.NEUTRAL and abstained is None:
        plan, abstained = _plan(direction, moment, config)
    if abstained is not None:
        memory.labels.reset(moment.timeframe)
        together = refuse(together, abstained)
        direction, label = Direction.NEUTRAL, Label.NEUTRAL
    believed = opinion.settle(together)
    return Signal(
        venue=moment.venue,
        symbol=moment.symbol,
        origin=moment.origin,
        signal_id=signal_id(moment.venue, moment.symbol, moment.timeframe, moment.as_of_ns),
        timeframe=moment.timeframe,
        as_of_ns=moment.as_of_ns,
        known_at_ns=moment.known_at_ns,
        direction=direction,
        label=label,
        score=believed.score,
        confidence=believed.confidence,
        price=moment.price,
        contributions=believed.contributions,
        absent=believed.absent,
        readings=(*readings, *(reading for reading in moment.readings if reading.layer in BESIDE)),
        plan=plan,
        abstained=abstained,
        log_odds=believed.log_odds,
        intercept=believed.intercept,
        probability=probability(believed.log_odds, direction),
        probability_status=opinion.status,
        calibration=opinion.calibrated(believed.log_odds, direction),
        model=opinion.model,
        challenger=opinion.challenger,
        conflict=believed.conflict,
        effective_layers=effective,
        regime=moment.regime,
        inputs={"engine_version": ENGINE_VERSION, "config": config.digest(), **moment.inputs},
    )


def _effective(readings: Sequence[LayerReading], moment: Moment, config: EngineConfig, memory: Memory) -> float | None:
    said = {reading.layer: reading.score * reading.confidence for reading in readings if reading.confidence > 0}
    voices = memory.voices_of(moment.timeframe)
    voices.hear(said, config.confluence)
    return voices.effective(tuple(said), config.confluence)


def _plan(direction: Direction, moment: Moment, config: EngineConfig) -> tuple[Plan | None, str | None]:
    """Return (plan, None), or (None, cause): a direction that cannot be planned is not said."""
    if moment.atr is None or moment.atr <= 0 or not moment.bars:
        return None, "no_plan: the average true range is not known"
    plan = draw_plan(
        direction,
        moment.price,
        moment.bars,
        moment.atr,
        as_of_ns=moment.as_of_ns,
        timeframe=moment.timeframe,
        config=config.plan,
        marks=moment.marks,
        depth=depth_cap(moment.readings, config.plan),
    )
    return plan, None if plan else "no_plan: a level would lie below zero"
