"""Readings of layers and their weights in, one score with its shares out, or the cause why there is none."""

from collections.abc import Mapping, Sequence
from math import fsum
from typing import Final

from msgspec import Struct

from libs.common.events import Absence, Contribution, Direction, Label, LayerReading
from services.signals.engine.config import EngineConfig

_ROUNDING: Final = 1e-9


class Confluence(Struct, frozen=True, kw_only=True):
    """What the layers say together; with `abstained` set, the score is 0."""

    score: float
    confidence: float
    contributions: tuple[Contribution, ...]
    absent: tuple[Absence, ...]
    abstained: str | None


def weigh(readings: Sequence[LayerReading], weights: Mapping[str, float], min_coverage: float) -> Confluence:
    """Return the mean score, weighted by weight x confidence over the layers that speak.

    A layer that is silent is missing, not zero: it has no share. But when less than `min_coverage` of the configured
    weights speak, the whole abstains. Confidence is the sum of weight x confidence over all configured weights.
    """
    by_layer = {reading.layer: reading for reading in readings}
    speaking = [by_layer[layer] for layer in weights if layer in by_layer and by_layer[layer].confidence > 0]
    absent = tuple(
        Absence(layer=layer, cause=_cause(by_layer.get(layer))) for layer in weights if not _speaks(by_layer.get(layer))
    )
    total = fsum(weights.values())
    if not total:
        return Confluence(score=0.0, confidence=0.0, contributions=(), absent=absent, abstained="no_layers")
    coverage = fsum(weights[reading.layer] for reading in speaking) / total
    if not speaking or coverage < min_coverage - _ROUNDING:
        causes = ", ".join(f"{absence.layer}: {absence.cause}" for absence in absent)
        cause = f"coverage {coverage:.0%} below {min_coverage:.0%} ({causes})"
        return Confluence(score=0.0, confidence=0.0, contributions=(), absent=absent, abstained=cause)
    said = fsum(weights[reading.layer] * reading.confidence for reading in speaking)
    contributions = tuple(_share(reading, weights[reading.layer] * reading.confidence / said) for reading in speaking)
    score = fsum(share.contribution for share in contributions)
    return Confluence(
        score=max(-1.0, min(1.0, score)),
        confidence=min(1.0, said / total),
        contributions=contributions,
        absent=absent,
        abstained=None,
    )


def judge(score: float, config: EngineConfig) -> tuple[Direction, Label]:
    """Return a score in words; the thresholds are the same on both sides, and belong to the stronger word."""
    size = abs(score)
    if size < config.signal_score:
        return Direction.NEUTRAL, Label.NEUTRAL
    strong = size >= config.strong_score
    if score > 0:
        return Direction.LONG, Label.STRONG_BUY if strong else Label.BUY
    return Direction.SHORT, Label.STRONG_SELL if strong else Label.SELL


def _share(reading: LayerReading, weight: float) -> Contribution:
    return Contribution(
        layer=reading.layer,
        score=reading.score,
        confidence=reading.confidence,
        weight=weight,
        contribution=weight * reading.score,
    )


def _speaks(reading: LayerReading | None) -> bool:
    return reading is not None and reading.confidence > 0


def _cause(reading: LayerReading | None) -> str:
    return "not_read" if reading is None else str(reading.facts.get("cause", "no_confidence"))
