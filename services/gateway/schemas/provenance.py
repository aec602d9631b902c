"""Whose data an answer holds, how old it is, and how well its venue is heard: the head of every answer. Pure."""

from typing import Final, TypedDict

from msgspec import Struct

from libs.common.events import FeedQuality, Grade, Origin
from services.gateway.schemas.times import age_s, rfc3339

NOT_REPORTED: Final = "not_reported"
"""Nobody has said how well this venue is heard."""
OTHER_ORIGIN: Final = "other_origin"
"""What was said is about data of another origin."""

_CAUSES: Final = 3


class Quality(Struct, frozen=True, kw_only=True):
    """How well a venue is heard, in short; `/v1/quality` has the whole report."""

    grade: Grade
    """`a` is best, `f`: nothing comes."""
    causes: tuple[str, ...]
    """What keeps it from being `a`, the worst first; at most three."""
    as_of_ns: int
    as_of: str
    age_s: float
    """Since the gateway got the report."""


class KeptQuality(Struct, frozen=True, kw_only=True):
    """The newest report on one venue, as kept."""

    report: FeedQuality
    seen_ns: int


class OfMarket(Struct, frozen=True, kw_only=True):
    """What every answer about one market begins with."""

    venue: str
    symbol: str
    origin: Origin
    chosen_by: str
    """The rule that chose the venue."""
    as_of_ns: int
    """When this was asked, by the gateway's clock."""
    as_of: str
    seen_ns: int
    """When the gateway last got anything of the market."""
    age_s: float
    """Since then."""
    stale: bool
    quality: Quality | None
    """Of the venue's feed; absent with its cause."""
    quality_cause: str | None


class Datum(Struct, frozen=True, kw_only=True):
    """What every single item says of its own time."""

    event_ns: int
    """When it happened, by its source's clock."""
    event_time: str
    seen_ns: int
    """When the gateway got it."""
    age_s: float
    """Since then."""


class When(TypedDict):
    """The fields of `Datum`."""

    event_ns: int
    event_time: str
    seen_ns: int
    age_s: float


def when(event_ns: int, seen_ns: int, now_ns: int) -> When:
    """Return the fields of `Datum`."""
    return When(event_ns=event_ns, event_time=rfc3339(event_ns), seen_ns=seen_ns, age_s=age_s(seen_ns, now_ns))


def in_short(kept: KeptQuality | None, origin: Origin, now_ns: int) -> tuple[Quality | None, str | None]:
    """Return the quality of data of `origin`, or why there is none."""
    if kept is None:
        return None, NOT_REPORTED
    report = kept.report
    if report.origin is not origin:
        return None, OTHER_ORIGIN
    quality = Quality(
        grade=report.grade,
        causes=report.causes[:_CAUSES],
        as_of_ns=report.event_ns,
        as_of=rfc3339(report.event_ns),
        age_s=age_s(kept.seen_ns, now_ns),
    )
    return quality, None
