"""A direction and the closed bars in, how it would be traded out: entry, stop, targets, expiry, and what fees leave."""

from collections.abc import Sequence
from typing import Final

from libs.common.events import Direction, Plan, Target, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.swings import last_swing

_DOUBT: Final = 2 / 3
"""Without structure, this share of the way to the stop is where the idea has failed."""


def break_even(reward: float, risk: float, cost: float) -> float:
    """Return the hit rate p with p (reward - cost) = (1 - p) (risk + cost); above 1 fees eat every win.

    All three in the same unit; `cost` is the round trip.
    """
    return (risk + cost) / (reward + risk)


def net_reward_to_risk(reward: float, risk: float, cost: float) -> float:
    """Return (reward - cost) / (risk + cost), all in the same unit; negative when fees exceed the reward."""
    return (reward - cost) / (risk + cost)


def draw_plan(
    direction: Direction,
    price: float,
    bars: Sequence[Bar],
    atr: float,
    *,
    as_of_ns: int,
    timeframe: Timeframe,
    config: EngineConfig,
) -> Plan | None:
    """Return the plan at `price`, after closed `bars`; None when a level would not be a price above zero.

    The stop lies behind the newest standing swing that is neither too near nor too far, else at a multiple of the ATR.
    Targets are multiples of the distance to the stop.
    """
    sign = direction.sign
    buffer = config.stop_buffer_atr * atr
    swing = last_swing(
        bars[-config.swing_lookback :],
        sign,
        config.swing_bars,
        price - sign * (config.stop_min_atr * atr - buffer),
        price - sign * (config.stop_max_atr * atr - buffer),
    )
    stop = price - sign * config.stop_atr * atr if swing is None else swing - sign * buffer
    risk = sign * (price - stop)
    doubt = price - sign * _DOUBT * risk if swing is None else swing
    cost = 2 * config.fee_rate * price
    prices = [price + sign * multiple * risk for multiple in config.target_r]
    if min(stop, *prices) <= 0:
        return None
    return Plan(
        entry_low=price - config.entry_atr * atr,
        entry_high=price + config.entry_atr * atr,
        stop=stop,
        targets=tuple(
            Target(price=target, reward_to_risk=net_reward_to_risk(abs(target - price), risk, cost))
            for target in prices
        ),
        expires_ns=as_of_ns + timeframe.ns * config.expiry_bars,
        invalidation=_invalidation(direction, timeframe, doubt, from_swing=swing is not None),
        stop_basis="atr" if swing is None else "structure",
        atr=atr,
        fee_rate=config.fee_rate,
        break_even_hit_rate=break_even(abs(prices[0] - price), risk, cost),
    )


def _invalidation(direction: Direction, timeframe: Timeframe, doubt: float, *, from_swing: bool) -> str:
    where = "below" if direction is Direction.LONG else "above"
    level = f"the swing {'low' if direction is Direction.LONG else 'high'} at" if from_swing else ""
    return " ".join(f"A {timeframe} close {where} {level} {doubt:.10g} proves the idea wrong.".split())
