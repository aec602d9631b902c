"""What ingest says of its sources: what a venue lists, and how well its feed is heard.

Times are integers of nanoseconds since the epoch, UTC; `event_ns` is when it was known.
"""

from enum import StrEnum, unique
from typing import TypeAlias

from msgspec import Struct

from libs.common.events.symbols import Kind
from libs.common.events.words import Origin


@unique
class ListingStatus(StrEnum):
    """Whether an instrument trades."""

    ANNOUNCED = "announced"
    """It is listed, and does not trade yet."""
    LIVE = "live"
    HALTED = "halted"
    """It does not trade now, and is to trade again."""
    CLOSING = "closing"
    """Positions can only be reduced, or are being settled."""
    DELISTED = "delisted"
    """It is gone from the catalogue, or marked as such."""


@unique
class Grade(StrEnum):
    """How far a feed's data may be trusted; the worst of what is measured decides."""

    A = "a"
    B = "b"
    C = "c"
    D = "d"
    F = "f"
    """Nothing comes."""


class Listing(Struct, frozen=True, kw_only=True, tag_field="type", tag="listing"):
    """One instrument as a venue's catalogue describes it; said again whenever that changes."""

    venue: str
    symbol: str
    """Canonical."""
    event_ns: int
    """When this was first seen, by our clock: catalogues carry no time of change."""
    origin: Origin = Origin.LIVE
    native: str
    """The venue's own name."""
    kind: Kind
    status: ListingStatus
    tick: float | None
    """Price step, quote currency; absent where the venue does not say."""
    lot: float | None
    """Size step, base units (inverse contracts: contracts); absent where the venue does not say."""
    contract_size: float = 1.0
    """What one unit of the venue's size is worth: base units, or quote currency when `inverse`. 1 on spot."""
    inverse: bool = False
    listed_ns: int | None = None
    """When it began to trade; absent where the venue does not say."""
    delisting_ns: int | None = None
    """When it stops to trade; absent where the venue announced none."""
    aliases: tuple[str, ...] = ()
    """Names it had, or has besides."""
    turnover: float | None = None
    """Quote currency traded in the 24 hours before this was said; absent where it was not asked for."""
    followed: bool = False
    """Whether ingest listens to it."""


class StreamQuality(Struct, frozen=True, kw_only=True):
    """How well one kind of data of one venue was heard in the window of its `FeedQuality`."""

    stream: str
    """A name of the ingest's streams: `trades`, `books`, `liquidations`, ..."""
    coverage: float | None
    """Share of the symbols' observed time of which nothing is missing by now, 0 to 1.

    Absent before a first event, and where a state replaces the one before, so that there are no holes (funding).
    """
    gap_s: float
    """Seconds in holes, summed over symbols, overlaps once, open ones up to now; also in those that were filled."""
    missing_s: float
    """Seconds of these that count against the coverage: of holes that are open, or were not filled."""
    open_gaps: int
    staleness_s: float | None
    """Seconds since the newest event; absent before the first one."""
    silent: tuple[str, ...] = ()
    """Symbols that are quiet for longer than their own pace explains, or never spoke."""


class FeedQuality(Struct, frozen=True, kw_only=True, tag_field="type", tag="feed_quality"):
    """How well one venue is heard, over the `window_s` seconds before `event_ns`; docs/semantics.md has the grades."""

    venue: str
    event_ns: int
    origin: Origin = Origin.LIVE
    grade: Grade
    causes: tuple[str, ...]
    """What keeps the grade from being `a`, in words, the worst first; empty when it is."""
    stopped: bool = False
    """It is the last one of its process, which ended in order."""
    window_s: float
    """Never more than the process has lived."""
    streams: tuple[StreamQuality, ...]
    symbols: int
    """Followed."""
    connections: int
    """Open."""
    connections_wanted: int
    clock_offset_s: float | None
    """The venue's clock minus ours, in the quickest of a few round trips; absent with `clock_cause`."""
    clock_bound_s: float | None
    """By how much that may be wrong: half of the round trip, and half of the step of the venue's clock."""
    clock_cause: str | None
    """Why there is no offset; absent where there is one."""
    bars_audited: int
    """Closed candles of ours that were compared with the venue's, since the process began."""
    bars_different: int
    rest_budget_used: float
    """Share of our REST budget that was spent in the last minute; above 1 after a call that ran into debt."""
    rest_pace: float
    """Share of the budget that calls may use now: below 1 while others spend the venue's limit from our address."""
    rest_venue_weight: float | None
    """Weight of the running minute as the venue counts it for our address; absent where it does not say."""
    rest_paused_s: float
    """Seconds for which no call may be made yet, as the venue demanded."""
    rest_in_flight: int
    rest_waiting: int
    """Calls that wait for their turn."""


FeedEvent: TypeAlias = Listing | FeedQuality
