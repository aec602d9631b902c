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
    tick: float
    """Price step, quote currency."""
    lot: float
    """Size step, base units (inverse contracts: contracts)."""
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
    """`trades`, `books`, `liquidations`, `funding`."""
    coverage: float
    """Share of the followed symbols' time in which nothing was missing, 0 to 1."""
    gap_s: float
    """Seconds in gaps, summed over symbols; open ones count up to now."""
    open_gaps: int
    staleness_s: float | None
    """Seconds since the newest event; absent before the first one."""
    silent: tuple[str, ...] = ()
    """Symbols that are quiet for longer than their own pace explains."""


class FeedQuality(Struct, frozen=True, kw_only=True, tag_field="type", tag="feed_quality"):
    """How well one venue is heard, over the `window_s` seconds before `event_ns`."""

    venue: str
    event_ns: int
    origin: Origin = Origin.LIVE
    grade: Grade
    causes: tuple[str, ...]
    """What keeps the grade from being `a`, in words; empty when it is."""
    window_s: float
    streams: tuple[StreamQuality, ...]
    symbols: int
    """Followed."""
    connections: int
    """Open."""
    connections_wanted: int
    clock_offset_s: float | None
    """The venue's clock minus ours, as far as a REST answer tells; absent where the venue does not say its time."""
    bars_audited: int
    """Closed candles of ours that were compared with the venue's."""
    bars_different: int
    rest_budget_used: float
    """Share of the venue's REST budget of the last minute that was spent, 0 to 1."""
    rest_paused_s: float
    """Seconds for which the venue told us not to call."""


FeedEvent: TypeAlias = Listing | FeedQuality
