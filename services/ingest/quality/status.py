"""Reports of ingest.quality.v1 in, one table for an operator out: whose data can be trusted, and why not."""

from collections.abc import Iterable, Sequence
from typing import Final

from libs.common.events import SECOND_NS, FeedQuality, Grade

FRESH_S: Final = 60.0
"""An older report says that its process is likely down."""
GOOD_ENOUGH: Final = Grade.C

_ABSENT: Final = "-"


def age_s(report: FeedQuality, now_ns: int) -> float:
    """Return how old a report is."""
    return max(now_ns - report.event_ns, 0) / SECOND_NS


def sound(reports: Sequence[FeedQuality], now_ns: int) -> bool:
    """Return whether there is a report, and all are fresh, of running processes and good enough."""
    return bool(reports) and all(
        age_s(one, now_ns) <= FRESH_S and not one.stopped and one.grade <= GOOD_ENOUGH for one in reports
    )


def table(reports: Sequence[FeedQuality], now_ns: int) -> str:
    """Return one row a venue, and what keeps each from being an A below."""
    streams = list(
        dict.fromkeys(one.stream for report in reports for one in report.streams if one.coverage is not None)
    )
    head = ["venue", "grade", "symbols", "links", *(f"{name} %" for name in streams), "gaps s", "open"]
    head += ["stale s", "clock s", "REST", "age s"]
    rows = [head, *(_row(report, streams, now_ns) for report in reports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(_cells(row, widths)).rstrip() for row in rows]
    causes = [f"  {report.venue}: {cause}" for report in reports for cause in _causes(report, now_ns)]
    return "\n".join([*lines, *([""] if causes else []), *causes])


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    yield row[0].ljust(widths[0])
    for cell, width in zip(row[1:], widths[1:], strict=True):
        yield cell.rjust(width)


def _row(report: FeedQuality, streams: Sequence[str], now_ns: int) -> list[str]:
    covered = {one.stream: one.coverage for one in report.streams}
    stale = [one.staleness_s for one in report.streams if one.stream in {"trades", "books"}]
    return [
        report.venue,
        report.grade.upper(),
        f"{report.symbols}",
        f"{report.connections}/{report.connections_wanted}",
        *(_number(None if covered.get(name) is None else 100 * (covered[name] or 0), 2) for name in streams),
        f"{sum(one.gap_s for one in report.streams):.1f}",
        f"{sum(one.open_gaps for one in report.streams)}",
        _number(max((one for one in stale if one is not None), default=None), 1),
        _ABSENT if report.clock_offset_s is None else f"{report.clock_offset_s:+.3f}±{report.clock_bound_s or 0:.3f}",
        f"{report.rest_budget_used:.0%}",
        f"{age_s(report, now_ns):.0f}",
    ]


def _causes(report: FeedQuality, now_ns: int) -> Iterable[str]:
    if report.stopped:
        yield f"its process was stopped in order {age_s(report, now_ns):.0f} s ago"
    elif age_s(report, now_ns) > FRESH_S:
        yield f"the report is {age_s(report, now_ns):.0f} s old: its process is likely down, or cannot reach the broker"
    yield from report.causes
    if report.clock_cause is not None:
        yield f"no clock offset: {report.clock_cause}"


def _number(value: float | None, digits: int) -> str:
    return _ABSENT if value is None else f"{value:.{digits}f}"
