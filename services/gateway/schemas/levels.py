"""Views of what layers read: one layer over time, levels, structures, regimes. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from libs.common.events import Fact, LayerReading, Mark, Timeframe
from services.gateway.schemas.markets import Reading
from services.gateway.schemas.provenance import OfMarket
from services.gateway.schemas.times import age_s, rfc3339


class PastReading(Struct, frozen=True, kw_only=True):
    """What a layer read at one moment."""

    source: str = "signals"
    timeframe: Timeframe | None
    as_of_ns: int
    as_of: str
    seen_ns: int
    age_s: float
    score: float
    confidence: float
    """0: it abstains, and `facts.cause` says why."""
    facts: dict[str, Fact]


class LayerAnswer(OfMarket, frozen=True, kw_only=True):
    """One layer of the engine: its newest reading, and those before it."""

    layer: str
    timeframe: Timeframe | None
    """Of the bars it reads; absent: it reads ticks."""
    newest: Reading | None
    """With the prices it speaks of; absent with `cause`."""
    cause: str | None
    """`no_reading`: the layer has not spoken of this market and timeframe."""
    data: list[PastReading]
    """Newest first: of bars every close, of ticks the first reading of each minute."""
    has_more: bool
    next_cursor: str | None


class LevelView(Struct, frozen=True, kw_only=True):
    """One price or zone, and which reading speaks of it."""

    layer: str
    timeframe: Timeframe | None
    kind: str
    low: float
    high: float
    """Quote currency; equal to `low` for a line."""
    side: int
    """+1 supports a price above it, -1 resists one below it, 0 neither."""
    strength: float
    """In [0, 1], by its layer's own measure: layers are not comparable."""
    state: str
    formed_ns: int
    formed: str
    known_ns: int
    known: str
    mark_id: str
    as_of_ns: int
    """Of the reading."""
    as_of: str
    seen_ns: int
    age_s: float
    stale: bool


class Levels(OfMarket, frozen=True, kw_only=True):
    """Every price and zone that the newest readings speak of, the highest first."""

    price: float | None
    """Last trade; absent before one came."""
    data: list[LevelView]
    left_out: int
    """Levels that fit, farther from the price than those."""
    cause: str | None
    """`no_reading`: no layer has named one; `none_fits`: none of this kind."""


class StructureView(Struct, frozen=True, kw_only=True):
    """One structure as it was last told; it is told while it stands near the price."""

    source: str = "signals"
    mark_id: str
    timeframe: Timeframe
    kind: str
    side: int
    low: float
    high: float
    strength: float
    formed_ns: int
    formed: str
    known_ns: int
    known: str
    state: str
    """As last told. Its end is told only if it stood in a reading: silence says nothing."""
    states: dict[str, int]
    """By state, the earliest time at which it was told."""
    said_ns: int
    """The newest reading that told of it."""
    said: str
    seen_ns: int
    age_s: float
    """Since the gateway got that reading."""


class Structures(OfMarket, frozen=True, kw_only=True):
    """Structures of the layer `smc`, the newest formed first."""

    data: list[StructureView]
    cause: str | None
    has_more: bool
    next_cursor: str | None


class RegimeView(Struct, frozen=True, kw_only=True):
    """What one timeframe's newest bars have been like."""

    timeframe: Timeframe
    regime: str | None
    """`trend`, `range`, `volatile` or `quiet`; absent with its cause."""
    cause: str | None
    bars: Fact
    """Bars it has stood."""
    asked: Fact
    """The word that the newest bars ask for instead."""
    adx_14: Fact
    atr_rank: Fact
    band_width_rank: Fact
    as_of_ns: int
    as_of: str
    seen_ns: int
    age_s: float
    stale: bool


class Regimes(OfMarket, frozen=True, kw_only=True):
    """The regime of each timeframe of one market, short ones first."""

    data: list[RegimeView]
    cause: str | None


def past_readings(kept: Sequence[tuple[LayerReading, int]], now_ns: int) -> list[PastReading]:
    """Return the views of (reading, seen_ns)."""
    return [
        PastReading(
            timeframe=reading.timeframe,
            as_of_ns=reading.as_of_ns,
            as_of=rfc3339(reading.as_of_ns),
            seen_ns=seen_ns,
            age_s=age_s(seen_ns, now_ns),
            score=reading.score,
            confidence=reading.confidence,
            facts=reading.facts,
        )
        for reading, seen_ns in kept
    ]


def levels_of(readings: Sequence[Reading]) -> list[LevelView]:
    """Return every mark of `readings`, the highest first."""
    found = [_level(reading, mark) for reading in readings for mark in reading.marks]
    return sorted(found, key=lambda level: (-level.high, -level.low, level.layer, level.timeframe or "", level.kind))


def nearest(levels: Sequence[LevelView], price: float | None, limit: int) -> list[LevelView]:
    """Return at most `limit` of `levels`, those nearest `price` (without one: the first), in their order."""
    if price is None or len(levels) <= limit:
        return list(levels[:limit])
    away = sorted((max(level.low - price, price - level.high, 0.0), n) for n, level in enumerate(levels))
    return [levels[n] for n in sorted(n for _, n in away[:limit])]


def _level(reading: Reading, mark: Mark) -> LevelView:
    return LevelView(
        layer=reading.layer,
        timeframe=reading.timeframe,
        kind=mark.kind,
        low=mark.low,
        high=mark.high,
        side=mark.side,
        strength=mark.strength,
        state=mark.state,
        formed_ns=mark.formed_ns,
        formed=rfc3339(mark.formed_ns),
        known_ns=mark.known_ns,
        known=rfc3339(mark.known_ns),
        mark_id=mark.mark_id,
        as_of_ns=reading.as_of_ns,
        as_of=reading.as_of,
        seen_ns=reading.seen_ns,
        age_s=reading.age_s,
        stale=reading.stale,
    )


def structure_views(rows: Sequence[Any], now_ns: int) -> list[StructureView]:
    """Return the views of stored rows."""
    return [
        StructureView(
            mark_id=row["mark_id"],
            timeframe=Timeframe(row["timeframe"]),
            kind=row["kind"],
            side=row["side"],
            low=row["low"],
            high=row["high"],
            strength=row["strength"],
            formed_ns=row["formed_ns"],
            formed=rfc3339(row["formed_ns"]),
            known_ns=row["known_ns"],
            known=rfc3339(row["known_ns"]),
            state=row["state"],
            states=msgspec.json.decode(row["states"], type=dict[str, int]),
            said_ns=row["said_ns"],
            said=rfc3339(row["said_ns"]),
            seen_ns=row["seen_ns"],
            age_s=age_s(row["seen_ns"], now_ns),
        )
        for row in rows
    ]


def regime_views(readings: Sequence[Reading]) -> list[RegimeView]:
    """Return what the readings of `technicals` say of the regime, short timeframes first."""
    found: list[RegimeView] = []
    for reading in readings:
        if reading.layer != "technicals" or reading.timeframe is None:
            continue
        word, facts = reading.facts.get("regime"), reading.facts
        found.append(
            RegimeView(
                timeframe=reading.timeframe,
                regime=word if isinstance(word, str) else None,
                cause=None if isinstance(word, str) else "warming_up",
                bars=facts.get("regime_bars"),
                asked=facts.get("regime_asked"),
                adx_14=facts.get("regime_adx_14"),
                atr_rank=facts.get("regime_atr_rank"),
                band_width_rank=facts.get("regime_band_width_rank"),
                as_of_ns=reading.as_of_ns,
                as_of=reading.as_of,
                seen_ns=reading.seen_ns,
                age_s=reading.age_s,
                stale=reading.stale,
            )
        )
    return sorted(found, key=lambda view: view.timeframe.ns)
