"""Readings of layers and their weights in, one score and its log-odds with their shares out, or why there are none.

A logistic scorecard: linear in the readings, so it is monotone in each, and its explanation is exact.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import exp, fsum
from typing import Final

from msgspec import Struct

from libs.common.events import Absence, Contribution, Direction, LayerReading
from services.signals.engine.config import EngineConfig, Weight
from services.signals.engine.confluence.groups import clip

_ROUNDING: Final = 1e-9


class Confluence(Struct, frozen=True, kw_only=True):
    """What the layers say together; with `abstained` set, the score is 0 and nothing contributes."""

    score: float
    confidence: float
    contributions: tuple[Contribution, ...]
    absent: tuple[Absence, ...]
    abstained: str | None
    log_odds: float = 0.0
    intercept: float = 0.0
    """Zero for the scorecard: without evidence up is as likely as down."""
    conflict: float | None = None


def probability(log_odds: float, direction: Direction) -> float | None:
    """Return what the log-odds of an upward move say of `direction`; None when there is none."""
    if direction is Direction.NEUTRAL:
        return None
    odds = direction.sign * log_odds
    return 1.0 / (1.0 + exp(-odds)) if odds >= 0 else exp(odds) / (1.0 + exp(odds))


def refuse(together: Confluence, cause: str) -> Confluence:
    """Return `together` as a refusal: what spoke against what is kept, what it would have meant is not."""
    return _refuse(together.absent, cause, together.conflict)


def weigh(readings: Sequence[LayerReading], weights: Mapping[str, Weight], config: EngineConfig) -> Confluence:
    """Return the mean score, weighted by weight x confidence over the layers that speak, each group cut to its cap.

    A layer that is silent is missing, not zero: it has no share. But when less than `min_coverage` of the capped
    weights speak, or two groups contradict each other loudly, the whole abstains. Confidence is what is left of
    weight x confidence after the cap, over what the cap leaves of all configured weights; log-odds are
    gain x confidence x score.
    """
    chosen = config.confluence
    by_layer = {reading.layer: reading for reading in readings if reading.confidence > 0}
    speaking = [by_layer[layer] for layer in weights if layer in by_layer]
    absent = _absent(readings, weights)
    capacity = clip(_sum((row.group, row.weight) for row in weights.values()), chosen.group_cap)
    total = fsum(capacity.values())
    if not total:
        return _refuse(absent, "no_layers")
    present = _sum((weights[one.layer].group, weights[one.layer].weight) for one in speaking)
    coverage = fsum(min(mass, capacity[group]) for group, mass in present.items()) / total
    said = _sum((weights[one.layer].group, weights[one.layer].weight * one.confidence) for one in speaking)
    conflict = _conflict(weights[one.layer].weight * one.confidence * one.score for one in speaking)
    if not speaking or coverage < chosen.min_coverage - _ROUNDING:
        causes = ", ".join(f"{absence.layer}: {absence.cause}" for absence in absent)
        return _refuse(absent, f"coverage {coverage:.0%} below {chosen.min_coverage:.0%} ({causes})", conflict)
    left = clip(said, chosen.group_cap)
    heard = fsum(left.values())
    if not heard:
        return _refuse(absent, "no_confidence", conflict)
    contributions = tuple(_share(one, weights[one.layer], left, said, heard, chosen.gain / total) for one in speaking)
    quarrel = _quarrel(contributions, chosen.conflict_score, chosen.conflict_share)
    if quarrel is not None:
        return _refuse(absent, quarrel, conflict)
    score = fsum(share.contribution for share in contributions)
    return Confluence(
        score=max(-1.0, min(1.0, score)),
        confidence=min(1.0, heard / total),
        contributions=contributions,
        absent=absent,
        abstained=None,
        log_odds=fsum(share.log_odds for share in contributions),
        conflict=_conflict(share.log_odds for share in contributions),
    )


def _share(
    reading: LayerReading,
    row: Weight,
    left: Mapping[str, float],
    said: Mapping[str, float],
    heard: float,
    gain: float,
) -> Contribution:
    whole = said[row.group]
    mass = row.weight * reading.confidence * (left[row.group] / whole) if whole else 0.0
    weight = mass / heard
    return Contribution(
        layer=reading.layer,
        score=reading.score,
        confidence=reading.confidence,
        weight=weight,
        contribution=weight * reading.score,
        group=row.group,
        log_odds=gain * mass * reading.score,
    )


def _conflict(evidence: Iterable[float]) -> float | None:
    """Return the smaller side's share of all signed evidence, in [0, 0.5]; None when there is none."""
    pieces = list(evidence)
    up, down = fsum(max(piece, 0.0) for piece in pieces), fsum(max(-piece, 0.0) for piece in pieces)
    return min(up, down) / (up + down) if up + down > 0 else None


def _quarrel(contributions: Sequence[Contribution], loud: float, share: float) -> str | None:
    """Return which two groups contradict each other, the louder first; None when none do."""
    weights = _sum((one.group, one.weight) for one in contributions)
    spoken = _sum((one.group, one.contribution) for one in contributions)
    scores = {group: spoken[group] / weight for group, weight in weights.items() if weight >= share and weight > 0}
    if not scores:
        return None
    up, down = max(scores, key=lambda group: scores[group]), min(scores, key=lambda group: scores[group])
    if scores[up] < loud or scores[down] > -loud:
        return None
    first, second = (up, down) if scores[up] >= -scores[down] else (down, up)
    return f"conflict: {first} {scores[first]:+.1f} against {second} {scores[second]:+.1f}"


def _sum(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for group, amount in pairs:
        sums[group] = sums.get(group, 0.0) + amount
    return sums


def _refuse(absent: tuple[Absence, ...], cause: str, conflict: float | None = None) -> Confluence:
    return Confluence(score=0.0, confidence=0.0, contributions=(), absent=absent, abstained=cause, conflict=conflict)


def _absent(readings: Sequence[LayerReading], weights: Mapping[str, Weight]) -> tuple[Absence, ...]:
    by_layer = {reading.layer: reading for reading in readings}
    silent = (layer for layer in weights if layer not in by_layer or by_layer[layer].confidence <= 0)
    return tuple(Absence(layer=layer, cause=_cause(by_layer.get(layer))) for layer in silent)


def _cause(reading: LayerReading | None) -> str:
    return "not_read" if reading is None else str(reading.facts.get("cause", "no_confidence"))
