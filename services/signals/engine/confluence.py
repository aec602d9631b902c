"""Readings of layers and their weights in, one score and its log-odds with their shares out, or why there are none.

The scorecard: a logistic model that is linear in the readings, so it is monotone in each, and its explanation is exact.
"""

from collections.abc import Mapping, Sequence
from math import exp, fsum
from typing import Final

from msgspec import Struct

from libs.common.events import Absence, Contribution, Direction, LayerReading
from services.signals.engine.config import EngineConfig, Weight

_ROUNDING: Final = 1e-9
_GAIN: Final = 2.0
"""Log-odds of all layers at +1 and sure: a prior."""


class Confluence(Struct, frozen=True, kw_only=True):
    """What the layers say together; with `abstained` set, the score is 0."""

    score: float
    confidence: float
    contributions: tuple[Contribution, ...]
    absent: tuple[Absence, ...]
    abstained: str | None
    log_odds: float = 0.0
    conflict: float | None = None
    effective_layers: float | None = None

    def probability(self, direction: Direction) -> float | None:
        """Return what the log-odds say of `direction`; None when there is none."""
        if direction is Direction.NEUTRAL:
            return None
        return 1.0 / (1.0 + exp(-direction.sign * self.log_odds))


def weigh(readings: Sequence[LayerReading], weights: Mapping[str, Weight], config: EngineConfig) -> Confluence:
    """Return the mean score, weighted by weight x confidence over the layers that speak.

    A layer that is silent is missing, not zero: it has no share. But when less than `config.min_coverage` of the
    weights speak, the whole abstains. Confidence is the sum of weight x confidence over all configured weights.
    """
    by_layer = {reading.layer: reading for reading in readings}
    speaking = [by_layer[layer] for layer in weights if layer in by_layer and by_layer[layer].confidence > 0]
    absent = tuple(
        Absence(layer=layer, cause=_cause(by_layer.get(layer))) for layer in weights if not _speaks(by_layer.get(layer))
    )
    total = fsum(row.weight for row in weights.values())
    if not total:
        return Confluence(score=0.0, confidence=0.0, contributions=(), absent=absent, abstained="no_layers")
    coverage = fsum(weights[reading.layer].weight for reading in speaking) / total
    said = fsum(weights[reading.layer].weight * reading.confidence for reading in speaking)
    if not said or coverage < config.min_coverage - _ROUNDING:
        causes = ", ".join(f"{absence.layer}: {absence.cause}" for absence in absent)
        cause = f"coverage {coverage:.0%} below {config.min_coverage:.0%} ({causes})"
        return Confluence(score=0.0, confidence=0.0, contributions=(), absent=absent, abstained=cause)
    contributions = tuple(
        _share(reading, weights[reading.layer], weights[reading.layer].weight * reading.confidence / said, said / total)
        for reading in speaking
    )
    score = fsum(share.contribution for share in contributions)
    return Confluence(
        score=max(-1.0, min(1.0, score)),
        confidence=min(1.0, said / total),
        contributions=contributions,
        absent=absent,
        abstained=None,
        log_odds=fsum(share.log_odds for share in contributions),
    )


def _share(reading: LayerReading, row: Weight, weight: float, sureness: float) -> Contribution:
    return Contribution(
        layer=reading.layer,
        score=reading.score,
        confidence=reading.confidence,
        weight=weight,
        contribution=weight * reading.score,
        group=row.group,
        log_odds=_GAIN * sureness * weight * reading.score,
    )


def _speaks(reading: LayerReading | None) -> bool:
    return reading is not None and reading.confidence > 0


def _cause(reading: LayerReading | None) -> str:
    return "not_read" if reading is None else str(reading.facts.get("cause", "no_confidence"))
