"""A FeedQuality in, Prometheus gauges out; what is absent is NaN, which no alert takes for a number."""

from typing import Final

from prometheus_client import Counter, Gauge

from libs.common.events import FeedQuality, Grade

_VENUE: Final = ("venue",)
_STREAM: Final = ("venue", "stream")
_ABSENT: Final = float("nan")

GRADE: Final = Gauge("csx_ingest_grade", "Data-quality grade: 1 is A, 5 is F", _VENUE)
COVERAGE: Final = Gauge("csx_ingest_coverage", "Share of symbols' time of which nothing is missing", _STREAM)
GAP_SECONDS: Final = Gauge("csx_ingest_gap_seconds", "Symbols' seconds in holes in the window", _STREAM)
MISSING_SECONDS: Final = Gauge(
    "csx_ingest_missing_seconds", "Seconds of these that are open or were not filled", _STREAM
)
OPEN_GAPS: Final = Gauge("csx_ingest_open_gaps", "Holes that are open", _STREAM)
STALENESS: Final = Gauge("csx_ingest_staleness_seconds", "Since the newest event", _STREAM)
SILENT: Final = Gauge("csx_ingest_silent_symbols", "Symbols that are quiet beyond their own pace", _STREAM)
CLOCK_OFFSET: Final = Gauge("csx_ingest_clock_offset_seconds", "The venue's clock minus ours", _VENUE)
CLOCK_BOUND: Final = Gauge("csx_ingest_clock_offset_bound_seconds", "By how much that may be wrong", _VENUE)
REST_USED: Final = Gauge("csx_ingest_rest_budget_used", "Share of the REST budget of the last minute", _VENUE)
REST_PACE: Final = Gauge("csx_ingest_rest_pace", "Share of the REST budget that others leave to us", _VENUE)
REST_PAUSED: Final = Gauge("csx_ingest_rest_paused_seconds", "Until calls are allowed again", _VENUE)
UNSAID: Final = Counter("csx_ingest_quality_unsaid_total", "Reports that the broker did not take", _VENUE)

_NUMBER: Final = {grade: number for number, grade in enumerate(Grade, start=1)}


def show(report: FeedQuality) -> None:
    """Set the gauges."""
    venue = report.venue
    GRADE.labels(venue).set(_NUMBER[report.grade])
    for one in report.streams:
        labels = (venue, one.stream)
        COVERAGE.labels(*labels).set(_or_absent(one.coverage))
        GAP_SECONDS.labels(*labels).set(one.gap_s)
        MISSING_SECONDS.labels(*labels).set(one.missing_s)
        OPEN_GAPS.labels(*labels).set(one.open_gaps)
        STALENESS.labels(*labels).set(_or_absent(one.staleness_s))
        SILENT.labels(*labels).set(len(one.silent))
    CLOCK_OFFSET.labels(venue).set(_or_absent(report.clock_offset_s))
    CLOCK_BOUND.labels(venue).set(_or_absent(report.clock_bound_s))
    REST_USED.labels(venue).set(report.rest_budget_used)
    REST_PACE.labels(venue).set(report.rest_pace)
    REST_PAUSED.labels(venue).set(report.rest_paused_s)


def _or_absent(value: float | None) -> float:
    return _ABSENT if value is None else value
