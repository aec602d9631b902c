"""A stop, its market's range and the book's depth in, how much of the equity a position may be out."""

from collections.abc import Sequence
from math import floor, inf, sqrt
from typing import Final

from msgspec import Struct

from libs.common.events import DAY_NS, Fact, LayerReading, Sizing, Timeframe
from services.signals.engine.parameters.plan import PlanParameters

_DEPTHS: Final = ("bid_depth_50bp_quote", "ask_depth_50bp_quote")


class Position(Struct, frozen=True, kw_only=True):
    """What an account of known equity would hold."""

    quantity: float
    """Base units, a multiple of the lot; 0 where a lot is too much."""
    notional: float
    """Quote currency at the entry."""
    loss_at_stop: float
    """Quote currency, fees of both sides included; slippage beyond the stop is not."""
    binding: str
    """What set it: `risk`, `leverage`, `notional`, `depth`."""


def loss_fraction(entry: float, stop: float, fee_rate: float) -> float:
    """Return what a position loses at its stop, fees of both sides included, over its value at `entry`."""
    return (abs(entry - stop) + fee_rate * (entry + stop)) / entry


def volatility_factor(atr_fraction: float, timeframe: Timeframe, config: PlanParameters) -> float:
    """Return the share of the risk that volatility leaves: the wider the bars, the less; in [minimum, 1].

    `atr_fraction` is ATR over price; times sqrt(day / timeframe) it is that of a day.
    """
    daily = atr_fraction * sqrt(DAY_NS / timeframe.ns)
    return max(config.min_volatility_factor, min(1.0, config.daily_atr / daily)) if daily > 0 else 1.0


def depth_cap(readings: Sequence[LayerReading], config: PlanParameters) -> float | None:
    """Return the most quote currency for the book: a share of its thinner side within 50 basis points; None unknown."""
    for reading in readings:
        depths = [_number(reading.facts.get(name)) for name in _DEPTHS]
        known = [depth for depth in depths if depth is not None]
        if reading.layer == "liquidity" and reading.confidence > 0 and len(known) == len(_DEPTHS):
            return config.depth_share * min(known)
    return None


def size(
    entry: float, stop: float, atr: float, timeframe: Timeframe, depth: float | None, config: PlanParameters
) -> Sizing:
    """Return the size per unit of equity for an entry at `entry`: risk x volatility over the loss at the stop, capped.

    The caps of leverage and notional are position value over equity; the smallest number binds, in this order.
    """
    factor = volatility_factor(atr / entry, timeframe, config)
    limits = {
        "risk": config.risk_fraction * factor / loss_fraction(entry, stop, config.fee_rate),
        "leverage": config.max_leverage,
        "notional": config.max_notional_fraction,
    }
    binding = min(limits, key=lambda limit: limits[limit])
    return Sizing(
        risk_fraction=config.risk_fraction,
        volatility_factor=factor,
        notional_fraction=limits[binding],
        binding=binding,
        depth_notional=depth,
    )


def size_position(equity: float, sizing: Sizing, *, entry: float, stop: float, fee_rate: float, lot: float) -> Position:
    """Return the position of an account: `sizing` times `equity`, no more than the book carries, down to whole lots.

    Raises:
        ValueError: equity, a price or the lot is not above zero.
    """
    if not all(0 < amount < inf for amount in (equity, entry, stop, lot)):
        raise ValueError(f"equity {equity}, entry {entry}, stop {stop} and lot {lot} must be above zero")
    notional, binding = equity * sizing.notional_fraction, sizing.binding
    if sizing.depth_notional is not None and sizing.depth_notional < notional:
        notional, binding = sizing.depth_notional, "depth"
    lots = floor(notional / entry / lot)
    while lots > 0 and lots * lot * entry > notional:
        lots -= 1
    held = lots * lot * entry
    return Position(
        quantity=lots * lot,
        notional=held,
        loss_at_stop=held * loss_fraction(entry, stop, fee_rate),
        binding=binding,
    )


def _number(fact: Fact) -> float | None:
    return float(fact) if isinstance(fact, (int, float)) and not isinstance(fact, bool) else None
