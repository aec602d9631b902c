"""Views of what can be traded and where: symbols, instruments, venues. Pure."""

from msgspec import Struct

from libs.common.events import Listing, ListingStatus, Origin
from libs.common.events.symbols import Kind
from services.gateway.schemas.provenance import Datum, Quality, when
from services.gateway.schemas.times import rfc3339


class KeptListing(Struct, frozen=True, kw_only=True):
    """An instrument as its venue's catalogue describes it, as kept."""

    listing: Listing
    seen_ns: int


class InstrumentView(Datum, frozen=True, kw_only=True):
    """One instrument as its venue's catalogue describes it; `event_ns` is when this was first seen."""

    source: str = "instruments"
    venue: str
    symbol: str
    origin: Origin
    native: str
    """The venue's own name."""
    kind: Kind
    status: ListingStatus
    followed: bool
    """Whether it is listened to."""
    tick: float | None
    """Price step, quote currency."""
    lot: float | None
    """Size step, base units; of inverse contracts: contracts."""
    contract_size: float
    inverse: bool
    listed_ns: int | None
    listed: str | None
    delisting_ns: int | None
    aliases: tuple[str, ...]
    turnover: float | None
    """Quote currency traded in the 24 hours before this was said; absent where it was not asked for."""


class Instruments(Struct, frozen=True, kw_only=True):
    """Instruments by symbol and venue."""

    data: list[InstrumentView]
    has_more: bool
    next_cursor: str | None


class SymbolView(Struct, frozen=True, kw_only=True):
    """One symbol, and who lists it."""

    symbol: str
    kind: Kind
    venues: list[str]
    followed: bool
    """At any of them."""
    seen_ns: int
    """When the newest of its listings was got."""
    age_s: float


class Symbols(Struct, frozen=True, kw_only=True):
    """Symbols by name."""

    data: list[SymbolView]
    has_more: bool
    next_cursor: str | None


class VenueView(Struct, frozen=True, kw_only=True):
    """One venue."""

    venue: str
    instruments: int
    """That its catalogue lists, with those that do not trade any more."""
    live: int
    """Of them: trading."""
    followed: int
    """Of them: listened to."""
    markets: int
    """Symbols that data came of."""
    quality: Quality | None
    quality_cause: str | None


class Venues(Struct, frozen=True, kw_only=True):
    """Every venue that lists, sends or was reported on."""

    data: list[VenueView]
    has_more: bool = False
    next_cursor: str | None = None


def instrument_view(kept: KeptListing, now_ns: int) -> InstrumentView:
    """Return the view of a listing."""
    listing = kept.listing
    return InstrumentView(
        **when(listing.event_ns, kept.seen_ns, now_ns),
        venue=listing.venue,
        symbol=listing.symbol,
        origin=listing.origin,
        native=listing.native,
        kind=listing.kind,
        status=listing.status,
        followed=listing.followed,
        tick=listing.tick,
        lot=listing.lot,
        contract_size=listing.contract_size,
        inverse=listing.inverse,
        listed_ns=listing.listed_ns,
        listed=rfc3339(listing.listed_ns) if listing.listed_ns is not None else None,
        delisting_ns=listing.delisting_ns,
        aliases=listing.aliases,
        turnover=listing.turnover,
    )
