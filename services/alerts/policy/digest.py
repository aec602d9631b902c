"""What is told in one message in; the message out. Pure.

What is over by now is counted, not quoted: a digest shows nothing as current that no longer is.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from libs.common.events import Origin, Severity
from services.alerts.policy.markup import Piece, bold, data, join, lines
from services.alerts.policy.quiet import local, zone_of
from services.alerts.policy.wording import banner

LINES: Final = 25
"""Headlines that are quoted; the rest is counted."""
_HEADLINE_UNITS: Final = 110
_KINDS: Final = 12
_RANK: Final = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


class Told(Struct, frozen=True, kw_only=True):
    """One alert, as a digest tells it."""

    kind: str
    headline: str
    severity: Severity
    origin: Origin
    created_ns: int
    valid_until_ns: int
    missed: bool
    """It should have been told by itself, and could not be sent in time."""


def compose(alerts: Sequence[Told], now_ns: int, zone: str) -> Piece:
    """Return the digest of `alerts`, of which there is at least one; times of day are those of `zone`."""
    begin, end = min(one.created_ns for one in alerts), max(one.created_ns for one in alerts)
    current = [one for one in alerts if not one.missed and one.valid_until_ns > now_ns]
    over = [one for one in alerts if not one.missed and one.valid_until_ns <= now_ns]
    missed = [one for one in alerts if one.missed]
    span = f"{_clock(begin, zone, now_ns)} to {_clock(end, zone, now_ns)}"
    title = join(bold(join(f"Digest: {_count(len(alerts))}")), f", {span} ({zone})")
    rows = [*_banners(alerts), title, *_quoted(current)]
    if over:
        rows.append(join(f"Over by now: {_by_kind(over)}"))
    if missed:
        rows.append(join(f"Could not be sent in time: {_by_kind(missed)}"))
    return lines(rows)


def _banners(alerts: Iterable[Told]) -> list[Piece]:
    origins = {one.origin for one in alerts}
    return [row for origin in Origin if origin in origins for row in banner(origin)]


def _quoted(alerts: Sequence[Told]) -> list[Piece]:
    counts = Counter(one.headline for one in alerts)
    newest = {one.headline: one for one in sorted(alerts, key=lambda one: one.created_ns)}
    order = sorted(newest.values(), key=lambda one: (_RANK[one.severity], -one.created_ns, one.headline))
    rows = [
        join(data(one.headline, _HEADLINE_UNITS), f" x{counts[one.headline]}" if counts[one.headline] > 1 else "")
        for one in order[:LINES]
    ]
    if more := sum(counts[one.headline] for one in order[LINES:]):
        rows.append(join(f"and {more:,} more"))
    return rows


def _by_kind(alerts: Sequence[Told]) -> str:
    counts = Counter(one.kind for one in alerts).most_common(_KINDS)
    return ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in counts)


def _count(number: int) -> str:
    return f"{number:,} alert" if number == 1 else f"{number:,} alerts"


def _clock(at_ns: int, zone: str, now_ns: int) -> str:
    """Return the time of day, with its date where that is not today's."""
    there = zone_of(zone)
    at, today = local(at_ns, there), local(now_ns, there)
    return f"{at:%H:%M}" if at.date() == today.date() else f"{at:%Y-%m-%d %H:%M}"
