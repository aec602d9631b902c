"""Readings, their context and a trained artefact in, log-odds and each layer's exact share in them out.

A neural additive model: one subnet of tanh units a layer, which sees its layer and the context, and no other layer.
Their outputs add up, so the shares are no approximation. A layer that is silent adds nothing.
"""

from collections.abc import Mapping, Sequence
from math import tanh

from msgspec import Struct

from libs.common.events import LayerReading, Timeframe
from services.signals.engine.confluence.artefact import Artefact, Subnet


class Inference(Struct, frozen=True, kw_only=True):
    """What the network says; `intercept` and `shares`, in this order, sum to `log_odds`."""

    log_odds: float
    intercept: float
    shares: dict[str, float]


def context_of(readings: Sequence[LayerReading], timeframe: Timeframe, regime: str | None) -> dict[str, float | None]:
    """Return the context by feature; None where it is not known, and a one-hot is then unknown as a whole."""
    known: dict[str, float | None] = {f"timeframe.{one}": float(one is timeframe) for one in Timeframe}
    for word in ("trend", "range", "volatile", "quiet"):
        known[f"regime.{word}"] = None if regime is None else float(regime == word)
    known["volatility.percentile"] = None
    for reading in readings:
        value = reading.facts.get("regime_atr_rank")
        if reading.confidence > 0 and isinstance(value, float):
            known["volatility.percentile"] = value
    return known


def infer(artefact: Artefact, readings: Sequence[LayerReading], context: Mapping[str, float | None]) -> Inference:
    """Return the log-odds of an upward move.

    A feature of the context that is not known counts as its mean in training. Sums run in the artefact's order.
    """
    by_layer = {reading.layer: reading for reading in readings if reading.confidence > 0}
    shares: dict[str, float] = {}
    log_odds = artefact.intercept
    for subnet in artefact.subnets:
        reading = by_layer.get(subnet.layer)
        if reading is not None:
            share = _output(subnet, reading, context)
            shares[subnet.layer] = share
            log_odds += share
    return Inference(log_odds=log_odds, intercept=artefact.intercept, shares=shares)


def _output(subnet: Subnet, reading: LayerReading, context: Mapping[str, float | None]) -> float:
    inputs: list[float] = []
    for name, mean, scale in zip(subnet.features, subnet.mean, subnet.scale, strict=True):
        value = reading.score if name == "score" else reading.confidence if name == "confidence" else context[name]
        inputs.append(0.0 if value is None else (value - mean) / scale)
    total = 0.0
    for row, bias, output in zip(subnet.weights, subnet.bias, subnet.output, strict=True):
        drive = bias
        for weight, value in zip(row, inputs, strict=True):
            drive += weight * value
        total += output * tanh(drive)
    return total
