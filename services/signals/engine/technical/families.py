"""Values of one close in, the members of the two families out, each in [-1, 1] and odd; None where one is absent.

Distances are in ATR, points or deviations, so neither the price's scale nor its unit matters.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import tanh

from services.signals.engine.indicators import Values
from services.signals.engine.parameters.technicals import TechnicalsParameters


def trend_members(v: Values, atr: float, p: TechnicalsParameters) -> dict[str, float | None]:
    """Return what says where price goes; `atr` > 0 in quote currency."""
    plus, minus = v.plus_di_14 or 0.0, v.minus_di_14 or 0.0
    return {
        "ema_stack": _stack([v.close, v.ema_9, v.ema_20, v.ema_50, v.ema_200], atr),
        "macd": None if v.macd_histogram is None else tanh(p.macd_gain * v.macd_histogram / atr),
        "directional": (plus - minus) / (plus + minus) if plus + minus > 0 else 0.0,
        "momentum": None if v.rsi_14 is None else (v.rsi_14 - 50) / 50,
        "supertrend": v.supertrend_side,
        "ichimoku": _ichimoku(v, atr),
        "sar": v.sar_side,
        "obv": v.obv_flow_20,
    }


def reversion_members(v: Values, p: TechnicalsParameters) -> dict[str, float | None]:
    """Return what says that price went too far; each points back."""
    bands, vwap = band_deviations(v), vwap_deviations(v, p.vwap_least_bars)
    return {
        "bands": None if bands is None else -_beyond(bands, p.band_limit, p.band_width),
        "rsi": None if v.rsi_14 is None else -_beyond(v.rsi_14 - 50, p.rsi_limit, p.rsi_width),
        "stochastic": _back(v.stochastic_k, 50, p),
        "williams": _back(v.williams_r_14, -50, p),
        "cci": None if v.cci_20 is None else -_beyond(v.cci_20, p.cci_limit, p.cci_width),
        "vwap": None if vwap is None else -_beyond(vwap, p.vwap_limit, p.vwap_width),
    }


def weighed(
    members: Mapping[str, float | None], events: Mapping[str, float | None], weights: Mapping[str, float]
) -> float:
    """Return the weighted mean of the members that are there, in [-1, 1]; 0 without any.

    An event fades with its value, and so does its weight: it leaves the others as they were, without a step.
    """
    known = [(weights[name], value) for name, value in members.items() if value is not None]
    known += [(weights[name] * abs(value), 1.0 if value > 0 else -1.0) for name, value in events.items() if value]
    total = sum([weight for weight, _ in known])
    return sum([weight * value for weight, value in known]) / total if total > 0 else 0.0


def band_deviations(v: Values) -> float | None:
    """Return the distance of the close from the Bollinger middle in standard deviations; 0 without spread."""
    if v.bb_upper is None or v.bb_middle is None:
        return None
    deviation = (v.bb_upper - v.bb_middle) / 2
    return (v.close - v.bb_middle) / deviation if deviation > 0 else 0.0


def vwap_deviations(v: Values, least_bars: int) -> float | None:
    """Return the distance of the close from the day's VWAP in its deviations; None early in the day."""
    if v.vwap is None or not v.vwap_deviation or (v.vwap_bars or 0) < least_bars:
        return None
    return (v.close - v.vwap) / v.vwap_deviation


def _stack(line: Sequence[float | None], atr: float) -> float | None:
    """Return the mean of tanh(distance / ATR) between each line, price first, and the next slower one."""
    known = [value for value in line if value is not None]
    steps = [tanh((fast - slow) / atr) for fast, slow in pairwise(known)]
    return sum(steps) / len(steps) if steps else None


def _ichimoku(v: Values, atr: float) -> float | None:
    """Return tanh of tenkan over kijun, and, once there is a cloud, half that and half of price over its middle."""
    if v.ichimoku_tenkan is None or v.ichimoku_kijun is None:
        return None
    cross = tanh((v.ichimoku_tenkan - v.ichimoku_kijun) / atr)
    if v.ichimoku_cloud_a is None or v.ichimoku_cloud_b is None:
        return cross
    return (cross + tanh((v.close - (v.ichimoku_cloud_a + v.ichimoku_cloud_b) / 2) / atr)) / 2


def _back(x: float | None, middle: float, p: TechnicalsParameters) -> float | None:
    return None if x is None else -_beyond(x - middle, p.stochastic_limit, p.stochastic_width)


def _beyond(x: float, limit: float, width: float) -> float:
    """Return 0 within +-limit, then growing by 1 a width, up to +-1."""
    excess = max(0.0, min(1.0, (abs(x) - limit) / width))
    return excess if x > 0 else -excess
