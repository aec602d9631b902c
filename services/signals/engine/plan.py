"""A direction and the closed bars in, how it would be traded out: levels, expiry, size, what fees leave."""

from collections.abc import Sequence
from typing import Final

from libs.common.events import Direction, Mark, Plan, Target, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.parameters.plan import PlanParameters
from services.signals.engine.sizing import size
from services.signals.engine.stops import Support, find_support

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
    config: PlanParameters,
    marks: Sequence[Mark] = (),
    depth: float | None = None,
) -> Plan | None:
    """Return the plan at `price`, after closed `bars`; None when a level would not be a price above zero.

    The stop lies behind the nearest structure that is neither too near nor too far, else at a multiple of the ATR.
    Targets are multiples of the distance to the stop, whatever structures lie before them. The size is that of an
    entry at the worse end of the zone; `depth` is the most quote currency that the book should carry.
    """
    sign = direction.sign
    support = find_support(direction, price, bars, marks, atr, config)
    edge, behind = (price, config.stop_atr) if support is None else (support.edge, config.stop_buffer_atr)
    stop = edge - sign * behind * atr
    risk = sign * (price - stop)
    cost = 2 * config.fee_rate * price
    prices = [price + sign * multiple * risk for multiple in config.target_r]
    low, high = price - config.entry_atr * atr, price + config.entry_atr * atr
    if min(stop, low, *prices) <= 0:
        return None
    return Plan(
        entry_low=low,
        entry_high=high,
        stop=stop,
        targets=tuple(
            Target(price=target, reward_to_risk=net_reward_to_risk(abs(target - price), risk, cost))
            for target in prices
        ),
        expires_ns=as_of_ns + timeframe.ns * config.expiry_bars,
        invalidation=_invalidation(direction, timeframe, support, price - sign * _DOUBT * risk),
        stop_basis="atr" if support is None else "structure",
        atr=atr,
        fee_rate=config.fee_rate,
        break_even_hit_rate=break_even(abs(prices[0] - price), risk, cost),
        sizing=size(high if sign > 0 else low, stop, atr, timeframe, depth, config),
    )


def _invalidation(direction: Direction, timeframe: Timeframe, support: Support | None, doubt: float) -> str:
    where = "below" if direction is Direction.LONG else "above"
    level = f"{doubt:.10g}" if support is None else f"{support.name} at {support.edge:.10g}"
    return f"A {timeframe} close {where} {level} proves the idea wrong."
