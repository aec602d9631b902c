"""What was last said of a venue's feed in; how far its data may be trusted, in a few words, out. Pure."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from libs.common.conditions.subjects import Fact
from libs.common.events import MINUTE_NS, Grade, Origin

_FRESH_NS: Final = 5 * MINUTE_NS
"""Ingest reports every ten seconds: what is older says nothing of now."""
_REASONS: Final = 2
_QUIET_S: Final = 120.0
_COVERED: Final = 0.99
_CLOCK_S: Final = 1.0


class Feed(Struct, frozen=True, kw_only=True):
    """The newest facts of one venue's feed."""

    at_ns: int
    origin: Origin
    facts: Mapping[str, Fact]


def badge(feed: Feed | None, origin: Origin, now_ns: int) -> str | None:
    """Return the grade of the feed that a signal of `origin` came from, with its reason when it is below B: `D: ...`.

    None: nobody knows. That is so without a report of the last five minutes, after the last word of a process, and
    when the report is about another market, such as a live one beside a replayed signal.
    """
    if feed is None or feed.origin is not origin or now_ns - feed.at_ns > _FRESH_NS or feed.facts.get("feed_stopped"):
        return None
    grade = feed.facts.get("grade")
    if not isinstance(grade, str) or grade not in set(Grade):
        return None
    reasons = _reasons(feed.facts)[:_REASONS] if grade > Grade.B else []
    return f"{grade.upper()}: {', '.join(reasons)}" if reasons else grade.upper()


def _reasons(facts: Mapping[str, Fact]) -> list[str]:
    """Return what is below B by the table of docs/semantics.md, then holes, as far as the facts tell."""
    missing, quiet_s = _number(facts, "connections_missing"), _number(facts, "staleness_max_s")
    covered, clock_s = _number(facts, "coverage_min", 1.0), _number(facts, "clock_offset_s")
    holes = _number(facts, "open_gaps")
    found = (
        (missing > 0, f"{missing:.0f} connections are down"),
        (quiet_s > _QUIET_S, f"nothing heard for {quiet_s:.0f} s"),
        (covered < _COVERED, f"{covered * 100:.1f} % heard"),
        (abs(clock_s) > _CLOCK_S, f"its clock is {abs(clock_s):.1f} s off"),
        (holes > 0, f"{holes:.0f} holes are open"),
    )
    return [words for holds, words in found if holds]


def _number(facts: Mapping[str, Fact], name: str, absent: float = 0.0) -> float:
    value = facts.get(name)
    return float(value) if isinstance(value, float | int) and abs(value) < 1e9 else absent
