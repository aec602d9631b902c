"""Views of flows: liquidations, funding, marks and basis, open interest, and vendors' metrics. Pure."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from libs.common.events import Origin, PositionSide
from libs.common.events.catalogue import Unit
from services.gateway.schemas.provenance import Datum, OfMarket, Quality, when


class LiquidationView(Datum, frozen=True, kw_only=True):
    """One forced closing."""

    source: str = "liquidations"
    price: float
    """Average fill price where the venue says it, else the bankruptcy or order price."""
    size: float
    """Base units."""
    notional: float
    """Quote currency."""
    liquidated: PositionSide
    """Who lost the position."""


class FundingView(Datum, frozen=True, kw_only=True):
    """What longs pay shorts at the next settlement, as the venue said it."""

    source: str = "funding"
    rate: float
    """Fraction an interval: 0.0001 is one basis point."""
    interval_s: int | None
    next_funding_ns: int | None


class MarkView(Datum, frozen=True, kw_only=True):
    """The price a venue margins by, and how far it stands from the index of the same message."""

    source: str = "funding"
    mark_price: float
    index_price: float | None
    basis: float | None
    """Mark less index, quote currency."""
    basis_bp: float | None
    """That over the index, basis points."""
    basis_cause: str | None
    """`no_index`: the venue said none with this mark."""


class OpenInterestView(Datum, frozen=True, kw_only=True):
    """Open positions, one side counted; a unit that the venue does not say is absent."""

    source: str = "open_interest"
    contracts: float | None
    base: float | None
    notional: float | None
    """Quote currency."""


class MetricView(Datum, frozen=True, kw_only=True):
    """One number of a vendor."""

    source: str = "metrics"
    vendor: str
    symbol: str
    """`*`: of the whole market."""
    origin: Origin
    exchange: str | None
    """Whose number it is; absent where the vendor aggregates."""
    name: str
    value: float | None
    unit: str
    interval_s: int | None
    """How long before `event_ns` it covers; absent for a state."""
    cause: str | None
    """Why there is no value."""


class Liquidations(OfMarket, frozen=True, kw_only=True):
    """Forced closings of one market, newest first. Most venues tell a sample: sums are lower bounds."""

    data: list[LiquidationView]
    cause: str | None
    """`none_heard`: nothing of the kind in this range."""
    has_more: bool
    next_cursor: str | None


class Funding(OfMarket, frozen=True, kw_only=True):
    """Funding rates of one market, the newest of each minute, newest first."""

    data: list[FundingView]
    cause: str | None
    has_more: bool
    next_cursor: str | None


class Basis(OfMarket, frozen=True, kw_only=True):
    """Mark, index and basis of one market, the newest of each minute, newest first."""

    data: list[MarkView]
    cause: str | None
    has_more: bool
    next_cursor: str | None


class OpenInterests(OfMarket, frozen=True, kw_only=True):
    """Open interest of one market, the newest of each minute, newest first."""

    data: list[OpenInterestView]
    cause: str | None
    has_more: bool
    next_cursor: str | None


class LongShort(OfMarket, frozen=True, kw_only=True):
    """The newest shares of longs and shorts that vendors say of one symbol, by name, exchange and vendor."""

    data: list[MetricView]
    cause: str | None


class MetricEntry(Struct, frozen=True, kw_only=True):
    """One metric of the catalogue, and the newest numbers of it."""

    name: str
    unit: Unit
    meaning: str
    newest: list[MetricView]
    """Of each exchange and vendor, in the last week; empty where nobody said it."""


class Metrics(Struct, frozen=True, kw_only=True):
    """Every metric of the catalogue, by name."""

    symbol: str
    data: list[MetricEntry]
    has_more: bool = False
    next_cursor: str | None = None


class MetricSeries(Struct, frozen=True, kw_only=True):
    """One metric of one symbol, newest first."""

    name: str
    unit: Unit
    meaning: str
    symbol: str
    quality: dict[str, Quality | None]
    """Of each vendor's feed in `data`; null where nobody reported."""
    data: list[MetricView]
    cause: str | None
    has_more: bool
    next_cursor: str | None


def liquidation_views(rows: Sequence[Any], now_ns: int) -> list[LiquidationView]:
    """Return the views of stored rows."""
    return [
        LiquidationView(
            **when(row["event_ns"], row["seen_ns"], now_ns),
            price=row["price"],
            size=row["size"],
            notional=row["price"] * row["size"],
            liquidated=PositionSide(row["liquidated"]),
        )
        for row in rows
    ]


def funding_views(rows: Sequence[Any], now_ns: int) -> list[FundingView]:
    """Return the views of stored rows."""
    return [
        FundingView(
            **when(row["event_ns"], row["seen_ns"], now_ns),
            rate=row["rate"],
            interval_s=row["interval_s"],
            next_funding_ns=row["next_funding_ns"],
        )
        for row in rows
    ]


def mark_views(rows: Sequence[Any], now_ns: int) -> list[MarkView]:
    """Return the views of stored rows; the basis is of one message, never of two."""
    found: list[MarkView] = []
    for row in rows:
        mark, index = row["price"], row["index_price"]
        found.append(
            MarkView(
                **when(row["event_ns"], row["seen_ns"], now_ns),
                mark_price=mark,
                index_price=index,
                basis=mark - index if index else None,
                basis_bp=(mark - index) / index * 10_000 if index else None,
                basis_cause=None if index else "no_index",
            )
        )
    return found


def open_interest_views(rows: Sequence[Any], now_ns: int) -> list[OpenInterestView]:
    """Return the views of stored rows."""
    return [
        OpenInterestView(
            **when(row["event_ns"], row["seen_ns"], now_ns),
            contracts=row["contracts"],
            base=row["base"],
            notional=row["notional"],
        )
        for row in rows
    ]


def metric_views(rows: Sequence[Any], now_ns: int) -> list[MetricView]:
    """Return the views of stored rows."""
    return [
        MetricView(
            **when(row["event_ns"], row["seen_ns"], now_ns),
            vendor=row["venue"],
            symbol=row["symbol"],
            origin=Origin(row["origin"]),
            exchange=row["exchange"] or None,
            name=row["name"],
            value=row["value"],
            unit=row["unit"],
            interval_s=row["interval_s"],
            cause=row["cause"],
        )
        for row in rows
    ]
