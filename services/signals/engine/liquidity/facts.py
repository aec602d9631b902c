"""The state of the layer `liquidity` in, the named numbers and marks that it publishes out."""

from collections.abc import Sequence

from libs.common.events import SECOND_NS, Fact, Mark
from services.signals.engine.liquidity.evidence import Assumed
from services.signals.engine.liquidity.grid import Grid
from services.signals.engine.liquidity.levels import Zone
from services.signals.engine.liquidity.model import Exposure
from services.signals.engine.liquidity.observed import Observed
from services.signals.engine.liquidity.profile import Controls, Profile, Shape
from services.signals.engine.liquidity.value_area import TWO_ROWS
from services.signals.engine.liquidity.walls import Wall
from services.signals.engine.parameters.liquidity import LiquidityParameters

_MODEL_MARKS = 2
"""A side."""


def profile_facts(
    profile: Profile, shape: Shape | None, controls: Controls, grid: Grid, as_of_ns: int, told: LiquidityParameters
) -> dict[str, Fact]:
    """Return what was traded at which price in this UTC day; bins are told by their middle."""
    facts: dict[str, Fact] = {
        "bin_quote": grid.width,
        "session_volume_base": profile.volume,
        "session_buy_share": profile.bought / profile.volume if profile.volume > 0 else None,
        "session_complete": profile.whole,
        "naked_pocs": len(controls.kept),
    }
    if profile.outside > 0 or profile.late:
        facts |= {"profile_outside_base": profile.outside, "profile_late_trades": profile.late}
    if shape is None:
        return facts
    middle = grid.at(shape.control + 0.5)
    return facts | {
        "poc_price": middle,
        "value_area_low": grid.at(shape.low),
        "value_area_high": grid.at(shape.high + 1),
        "value_area_volume_base": shape.held,
        "value_area_share": told.value_area_share,
        "value_area_method": TWO_ROWS,
        "high_volume_nodes": len(shape.peaks),
        "low_volume_nodes": len(shape.valleys),
        "low_volume_node_below": max(
            (grid.at(n.high + 1) for n in shape.valleys if n.high < shape.control), default=None
        ),
        "low_volume_node_above": min((grid.at(n.low) for n in shape.valleys if n.low > shape.control), default=None),
        "profile_age_s": (as_of_ns - shape.as_of_ns) / SECOND_NS,
    }


def forced_facts(observed: Observed, as_of_ns: int) -> dict[str, Fact]:
    """Return the liquidations that were heard; nothing where none was, for that is not zero."""
    if not observed.heard:
        return {"liquidations_heard": 0}
    sums = [observed.at(number, as_of_ns) for number in observed.bins]
    facts: dict[str, Fact] = {
        "liquidations_heard": observed.heard,
        "liquidated_longs_base": sum(longs for longs, _ in sums),
        "liquidated_shorts_base": sum(shorts for _, shorts in sums),
        "liquidations_coverage": "lower_bound",
    }
    if observed.dropped:
        facts["liquidation_bins_dropped"] = observed.dropped
    return facts


def model_facts(
    exposure: Exposure, assumed: Sequence[Assumed], grid: Grid | None, told: LiquidityParameters
) -> dict[str, Fact]:
    """MODEL: return what the assumed positions come to; nothing but the cause without open interest."""
    if exposure.last_ns < 0:
        return {"liquidation_model_state": "absent", "liquidation_model_cause": "no_open_interest"}
    longs, shorts = exposure.nearest_long, exposure.nearest_short
    mix = ",".join(
        f"{leverage:g}x{weight:g}" for leverage, weight in zip(told.leverages, told.leverage_weights, strict=True)
    )
    return {
        "liquidation_model_state": "MODEL",
        "liquidation_model_mix": mix,
        "liquidation_model_maintenance_margin": told.maintenance_margin,
        "liquidation_model_calibration": "none",
        "liquidation_model_unit": exposure.unit,
        "liquidation_model_longs": sum(exposure.longs.values()),
        "liquidation_model_shorts": sum(exposure.shorts.values()),
        "liquidation_model_long_nearest": None if longs is None or grid is None else grid.at(longs + 0.5),
        "liquidation_model_short_nearest": None if shorts is None or grid is None else grid.at(shorts + 0.5),
        "liquidation_model_long_largest": next(((one.low + one.high) / 2 for one in assumed if one.longs), None),
        "liquidation_model_short_largest": next(((one.low + one.high) / 2 for one in assumed if not one.longs), None),
    }


def wall_facts(found: Sequence[Wall], grid: Grid, told: LiquidityParameters) -> dict[str, Fact]:
    """Return the strongest wall of each side; None where nothing stands out."""
    facts: dict[str, Fact] = {"walls": len(found)}
    for name, sign in (("bid_wall", -1), ("ask_wall", 1)):
        wall = max((one for one in found if one.sign == sign), key=lambda one: one.strength, default=None)
        price = None if wall is None else sign * grid.at(wall.bin + 0.5)
        facts |= {
            f"{name}_price": price,
            f"{name}_quote": None if wall is None or price is None else wall.cell.slow * price,
            f"{name}_shown_quote": None if wall is None or price is None else wall.cell.depth * price,
            f"{name}_ratio": None if wall is None else wall.ratio,
            f"{name}_persistence": None if wall is None else wall.cell.persistence(told),
            f"{name}_pulled_share": None if wall is None else wall.cell.pulled_share(),
            f"{name}_strength": None if wall is None else wall.strength,
        }
    return facts


def zone_facts(zones: Sequence[Zone], mid: float) -> dict[str, Fact]:
    """Return the nearest support and resistance, and what they are made of."""
    facts: dict[str, Fact] = {}
    for name, side in (("support", 1), ("resistance", -1)):
        zone = next((zone for zone in zones if zone.side == side), None)
        facts |= {
            f"{name}_price": None if zone is None else zone.anchor.middle,
            f"{name}_distance_bp": None if zone is None else zone.distance / mid * 1e4,
            f"{name}_strength": None if zone is None else zone.strength,
            f"{name}_kinds": None if zone is None else "+".join(zone.kinds),
        }
    return facts


def curve_facts(up: Sequence[float | None], down: Sequence[float | None], told: LiquidityParameters) -> dict[str, Fact]:
    """Return C(x) both ways in quote currency, None beyond what is known of the book."""
    facts: dict[str, Fact] = {}
    for step, asks, bids in zip(told.cost_bp, up, down, strict=False):
        facts[f"cost_up_{step}bp_quote"], facts[f"cost_down_{step}bp_quote"] = asks, bids
        if step == told.depth_bp:
            facts[f"ask_depth_{step}bp_quote"], facts[f"bid_depth_{step}bp_quote"] = asks, bids
    return facts


def marks(zones: Sequence[Zone], assumed: Sequence[Assumed], most: int) -> tuple[Mark, ...]:
    """Return at most `most` marks: what was observed, nearest first, then the largest that a MODEL assumes."""
    longs = [one for one in assumed if one.longs][:_MODEL_MARKS]
    shorts = [one for one in assumed if not one.longs][:_MODEL_MARKS]
    model = [_model_mark(one) for one in (*longs, *shorts)]
    return (*(_zone_mark(zone) for zone in zones[: most - len(model)]), *model)


def _zone_mark(zone: Zone) -> Mark:
    """Return a support or resistance; `state` names all that it is made of."""
    return Mark(
        kind=zone.anchor.kind,
        low=zone.anchor.low,
        high=zone.anchor.high,
        side=zone.side,
        strength=zone.strength,
        formed_ns=zone.formed_ns,
        known_ns=zone.known_ns,
        state="+".join(zone.kinds),
    )


def _model_mark(assumed: Assumed) -> Mark:
    """MODEL: return a bin of assumed positions; it neither supports nor resists."""
    return Mark(
        kind="liquidation_model_long" if assumed.longs else "liquidation_model_short",
        low=assumed.low,
        high=assumed.high,
        side=0,
        strength=assumed.share,
        formed_ns=assumed.known_ns,
        known_ns=assumed.known_ns,
        state="MODEL",
    )
