"""Views of how well data is heard: reports on venues, and holes. Pure."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from libs.common.events import Grade, Origin, StreamQuality
from services.gateway.schemas.provenance import Datum, KeptQuality, when
from services.gateway.schemas.times import rfc3339


class QualityReport(Datum, frozen=True, kw_only=True):
    """How well one venue is heard, over the `window_s` seconds before `event_ns`."""

    source: str = "quality"
    venue: str
    origin: Origin
    grade: Grade
    """`a` is best, `f`: nothing comes; the worst of what is measured decides."""
    causes: tuple[str, ...]
    """What keeps it from being `a`, the worst first."""
    stopped: bool
    """It is the last one of its process, which ended in order."""
    window_s: float
    symbols: int
    """Followed."""
    connections: int
    connections_wanted: int
    clock_offset_s: float | None
    clock_bound_s: float | None
    clock_cause: str | None
    bars_audited: int
    bars_different: int
    streams: tuple[StreamQuality, ...]


class Qualities(Struct, frozen=True, kw_only=True):
    """The newest report on each venue, by name."""

    data: list[QualityReport]
    cause: str | None
    """`not_reported`: nobody has reported on any venue."""
    has_more: bool = False
    next_cursor: str | None = None


class QualityHistory(Struct, frozen=True, kw_only=True):
    """Reports on one venue, one a minute, newest first."""

    venue: str
    data: list[QualityReport]
    cause: str | None
    has_more: bool
    next_cursor: str | None


class GapView(Struct, frozen=True, kw_only=True):
    """One hole in what was heard."""

    source: str = "gaps"
    venue: str
    symbol: str
    origin: Origin
    stream: str
    from_ns: int
    """Last event known to be there before it."""
    from_time: str
    to_ns: int
    """First event known to be there after it; equals `from_ns` while it is open."""
    to_time: str
    event_ns: int
    """When it was last spoken of."""
    event_time: str
    cause: str
    recovered: bool
    """What was missing has been fetched and published."""


class Gaps(Struct, frozen=True, kw_only=True):
    """Holes, those that were spoken of last first."""

    data: list[GapView]
    has_more: bool
    next_cursor: str | None


def quality_report(kept: KeptQuality, now_ns: int) -> QualityReport:
    """Return the view of a report."""
    report = kept.report
    return QualityReport(
        **when(report.event_ns, kept.seen_ns, now_ns),
        venue=report.venue,
        origin=report.origin,
        grade=report.grade,
        causes=report.causes,
        stopped=report.stopped,
        window_s=report.window_s,
        symbols=report.symbols,
        connections=report.connections,
        connections_wanted=report.connections_wanted,
        clock_offset_s=report.clock_offset_s,
        clock_bound_s=report.clock_bound_s,
        clock_cause=report.clock_cause,
        bars_audited=report.bars_audited,
        bars_different=report.bars_different,
        streams=report.streams,
    )


def gap_views(rows: Sequence[Any]) -> list[GapView]:
    """Return the views of stored rows."""
    return [
        GapView(
            venue=row["venue"],
            symbol=row["symbol"],
            origin=Origin(row["origin"]),
            stream=row["stream"],
            from_ns=row["from_ns"],
            from_time=rfc3339(row["from_ns"]),
            to_ns=row["to_ns"],
            to_time=rfc3339(row["to_ns"]),
            event_ns=row["event_ns"],
            event_time=rfc3339(row["event_ns"]),
            cause=row["cause"],
            recovered=row["recovered"],
        )
        for row in rows
    ]
