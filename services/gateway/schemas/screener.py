"""Views over all markets: the screener's rows, and their regimes. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from libs.common.bus.codec import decode
from libs.common.events import MINUTE_NS, Fact, Origin, Signal, Timeframe
from services.gateway.schemas.cells import Cell
from services.gateway.schemas.columns import COLUMNS, FACTS, REGIME_FACTS
from services.gateway.schemas.markets import Price
from services.gateway.schemas.provenance import Datum, KeptQuality, Quality, in_short
from services.gateway.schemas.screening import typed
from services.gateway.schemas.times import age_s, rfc3339

_KEPT: Final = {layer: (*facts, *(REGIME_FACTS if layer == "technicals" else ())) for layer, facts in FACTS.items()}
_TICKS_LAST_NS: Final = 10 * MINUTE_NS


class ScreenerRow(Datum, frozen=True, kw_only=True):
    """One market; `event_ns`, `seen_ns` and `age_s` are of the newest of anything that came of it."""

    venue: str
    symbol: str
    origin: Origin
    stale: bool
    quality: Quality | None
    quality_cause: str | None
    values: dict[str, Fact]
    """By column; null where it is not known of this market."""


class ColumnView(Struct, frozen=True, kw_only=True):
    """What one column is."""

    type: str
    unit: str
    meaning: str
    layer: str | None
    """Whose reading it is of; absent: of the newest signal, flows or feed."""


class Screen(Struct, frozen=True, kw_only=True):
    """Markets that fit, in order; what is absent fits no condition and comes last."""

    timeframe: Timeframe
    """Of signals and of layers that read bars; others read ticks."""
    as_of_ns: int
    as_of: str
    markets: int
    """That were looked at."""
    fitting: int
    columns: dict[str, ColumnView]
    data: list[ScreenerRow]
    has_more: bool
    next_cursor: str | None


class MarketRegime(Datum, frozen=True, kw_only=True):
    """What one market's newest bars have been like."""

    source: str = "signals"
    venue: str
    symbol: str
    origin: Origin
    stale: bool
    """It was not told for two bars."""
    quality: Quality | None
    quality_cause: str | None
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


class MarketRegimes(Struct, frozen=True, kw_only=True):
    """The regime of every market that has a reading of this timeframe, by symbol and venue."""

    timeframe: Timeframe
    data: list[MarketRegime]
    cause: str | None
    has_more: bool
    next_cursor: str | None


def kept_facts(layer: str, facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Return what the screener keeps of a layer's facts: what its columns ask, and why it abstains."""
    return {name: facts[name] for name in (*_KEPT.get(layer, ()), "cause") if facts.get(name) is not None}


def slots_of(timeframe: Timeframe) -> list[str]:
    """Return the cells that a screen of `timeframe` looks at."""
    return [f"{layer}|{of}" for layer in FACTS for of in (timeframe.value, "")]


def column_view(name: str) -> ColumnView:
    """Return what a column is."""
    column = COLUMNS[name]
    return ColumnView(type=column.type.value, unit=column.unit, meaning=column.meaning, layer=column.layer or None)


def values_of(
    row: Any,
    cells: Mapping[str, Cell],
    timeframe: Timeframe,
    *,
    price: Price | None,
    kept: KeptQuality | None,
    stale: bool,
    now_ns: int,
) -> dict[str, Fact]:
    """Return every column of one market; what another origin said is not known of this one."""
    origin = Origin(row["origin"])
    signal = decode(row["signal"]) if row["signal"] else None
    of = signal if isinstance(signal, Signal) else None
    mark, index = row["mark_price"], row["index_price"]
    known = price if price and price.origin is origin else None
    found: dict[str, Fact] = {
        "price": known.price if known else None,
        "price_age_s": known.age_s if known else None,
        "stale": stale,
        "grade": kept.report.grade.value if kept and kept.report.origin is origin else None,
        "label": of.label.value if of else None,
        "direction": of.direction.value if of else None,
        "score": of.score if of else None,
        "confidence": of.confidence if of else None,
        "decision": row["decision"],
        "signal_age_s": age_s(row["signal_seen_ns"], now_ns) if of else None,
        "funding_rate": row["funding_rate"],
        "basis_bp": (mark - index) / index * 10_000 if mark is not None and index else None,
        "open_interest_base": row["open_interest_base"],
        "open_interest_notional": row["open_interest_notional"],
    }
    for name, column in COLUMNS.items():
        if column.layer:
            cell = cell_of(cells, column.layer, timeframe, origin, now_ns)
            found[name] = typed(name, _fact(cell, column.fact))
    return found


def cell_of(cells: Mapping[str, Cell], layer: str, timeframe: Timeframe, origin: Origin, now_ns: int) -> Cell | None:
    """Return what a layer reads of bars of `timeframe`, else of ticks.

    What was not told for two bars, or ten minutes of ticks, is not known any more.
    """
    for slot, lasts_ns in ((f"{layer}|{timeframe}", 2 * timeframe.ns + MINUTE_NS), (f"{layer}|", _TICKS_LAST_NS)):
        cell = cells.get(slot)
        if cell is not None and cell.origin is origin and now_ns - cell.seen_ns <= lasts_ns:
            return cell
    return None


def regime_of(
    market: tuple[str, str, Origin], cell: Cell, timeframe: Timeframe, kept: KeptQuality | None, now_ns: int
) -> MarketRegime:
    """Return the regime of a market (venue, symbol, origin) from what `technicals` reads."""
    venue, symbol, origin = market
    word, facts = cell.facts.get("regime"), cell.facts
    quality, quality_cause = in_short(kept, origin, now_ns)
    return MarketRegime(
        event_ns=cell.as_of_ns,
        event_time=rfc3339(cell.as_of_ns),
        seen_ns=cell.seen_ns,
        age_s=age_s(cell.seen_ns, now_ns),
        venue=venue,
        symbol=symbol,
        origin=origin,
        stale=now_ns - cell.seen_ns > 2 * timeframe.ns + MINUTE_NS,
        quality=quality,
        quality_cause=quality_cause,
        regime=word if isinstance(word, str) else None,
        cause=None if isinstance(word, str) else "warming_up",
        bars=facts.get("regime_bars"),
        asked=facts.get("regime_asked"),
        adx_14=facts.get("regime_adx_14"),
        atr_rank=facts.get("regime_atr_rank"),
        band_width_rank=facts.get("regime_band_width_rank"),
    )


def _fact(cell: Cell | None, fact: str) -> Fact:
    if cell is None:
        return None
    if fact in ("score", "confidence"):
        if cell.confidence <= 0:
            return None  # it abstains: its score is no judgement
        return cell.score if fact == "score" else cell.confidence
    return cell.facts.get(fact)
