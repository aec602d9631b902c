"""What a breadth run showed: windows and samples of each venue in, the verdict and the tables out. Pure.

The rule of "no lag growth": a line is fitted through the windows after the warm-up, by the median of the slopes
between any two (Theil and Sen), so that a pause of the machine is not taken for growth, and growth is. Over the run it
may rise by less than `MEDIAN_RISE_MS` for the median of publish time minus event time, by less than `P99_RISE_MS` for
its 99th percentile, and the newest event that the broker has may never be older than `NEWEST_MS`.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import Final

from msgspec import Struct

from deploy.proving.arrivals import Window
from deploy.proving.report import Finding
from deploy.proving.sampling import MIB, Watched

MEDIAN_RISE_MS: Final = 50.0
P99_RISE_MS: Final = 500.0
NEWEST_MS: Final = 2000.0
LATE_MS: Final = 1000.0
"""An exchange that is later than that proves nothing about those who follow it."""
WARM_UP: Final = 0.2
"""Share of the run that is left out, at its start."""


class Followed(Struct, frozen=True, kw_only=True):
    """One venue's ingest, watched to the end."""

    venue: str
    symbols: frozenset[str]
    """Asked for."""
    windows: Sequence[Window]
    watched: Watched


def warm(windows: Sequence[Window]) -> list[Window]:
    """Return the windows after the warm-up."""
    if not windows:
        return []
    end_s = windows[-1].at_s
    return [one for one in windows if one.at_s > WARM_UP * end_s]


def rise(points: Sequence[tuple[float, float]]) -> float:
    """Return by how much the line fitted through (seconds, value) rises from the first to the last; NaN of too few."""
    known = [point for point in points if not math.isnan(point[1])]
    if len(known) < 3:
        return math.nan
    slopes = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in combinations(known, 2)]
    return median(slopes) * (known[-1][0] - known[0][0])


def findings(followed: Sequence[Followed], late_ms: Sequence[float], shares: dict[str, float]) -> list[Finding]:
    """Return what was to hold.

    Args:
        followed: the venues.
        late_ms: how far the exchange was behind the clock at each look, milliseconds.
        shares: of a core, by name of the process.
    """
    late = max(late_ms, default=math.nan)
    found = [one for venue in followed for one in _of(venue)]
    heard = sum(len(frozenset().union(*(one.symbols for one in _last_third(venue.windows)))) for venue in followed)
    asked = sum(len(venue.symbols) for venue in followed)
    busy = sum(share for name, share in shares.items() if name.startswith("ingest-"))
    return [
        *found,
        Finding("markets heard in the last third", f"{asked}", f"{heard}", heard == asked),
        Finding("the exchange itself, behind the clock", _under(LATE_MS), f"{late:.0f} ms at most", late < LATE_MS),
        Finding("all ingest together", "under one core", f"{busy:.0%} of one core", busy < 1.0),
    ]


def charted(followed: Sequence[Followed], shares: dict[str, float]) -> str:
    """Return a table of each venue's rates, lateness and resources."""
    head = (
        "| venue | markets | events/s | lag p50, first -> last (ms) | lag p99, first -> last (ms) | newest, worst (ms) "
        "| waiting, most | CPU of a core | memory, first -> last (MiB) |"
    )
    rows = [head, "|---|---|---|---|---|---|---|---|---|"]
    for one in followed:
        windows, samples = warm(one.windows), one.watched.samples
        first, last = windows[0], windows[-1]
        seconds = max(1.0, last.at_s - first.at_s)
        rate = sum(window.events for window in windows[1:]) / seconds
        rss = [sample.rss_bytes / MIB for sample in samples]
        rows.append(
            f"| {one.venue} | {len(one.symbols)} | {rate:.0f} | {first.median_ms:.0f} -> {last.median_ms:.0f} "
            f"| {first.p99_ms:.0f} -> {last.p99_ms:.0f} | {max(window.newest_ms for window in windows):.0f} "
            f"| {one.watched.highest('csx_ingest_buffer_events'):.0f} | {shares[one.watched.name]:.0%} "
            f"| {rss[0]:.0f} -> {rss[-1]:.0f} |"
        )
    others = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if not name.startswith("ingest-"))
    return "\n".join([*rows, "", f"Beside them, in parts of one core: {others}."])


def _of(venue: Followed) -> list[Finding]:
    windows = warm(venue.windows)
    middle = rise([(one.at_s, one.median_ms) for one in windows])
    late = rise([(one.at_s, one.p99_ms) for one in windows])
    newest = max((one.newest_ms for one in windows), default=float("nan"))
    last = venue.watched.samples[-1].metrics if venue.watched.samples else {}
    published = last.get("csx_ingest_published_total", 0.0)
    given_up = sum(last.get(f"csx_ingest_{name}_total", 0.0) for name in ("shed", "conflated"))
    return [
        Finding(
            f"{venue.venue}: rise of the median", _under(MEDIAN_RISE_MS), f"{middle:+.0f} ms", middle < MEDIAN_RISE_MS
        ),
        Finding(f"{venue.venue}: rise of p99", _under(P99_RISE_MS), f"{late:+.0f} ms", late < P99_RISE_MS),
        Finding(f"{venue.venue}: newest event, worst", _under(NEWEST_MS), f"{newest:.0f} ms", newest < NEWEST_MS),
        Finding(
            f"{venue.venue}: events shed or conflated",
            "0",
            f"{given_up:.0f} of {published:,.0f} published",
            not given_up,
        ),
    ]


def _last_third(windows: Sequence[Window]) -> Sequence[Window]:
    return windows[-max(1, len(windows) // 3) :]


def _under(ms: float) -> str:
    return f"under {ms:.0f} ms"
