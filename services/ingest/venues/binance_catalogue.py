"""Binance's `exchangeInfo`: a row of the catalogue in, what it says of an instrument out. Pure."""

import datetime as dt
from typing import Final

from msgspec import Raw, Struct, convert, field, json

from libs.common.events import ListingStatus
from libs.common.events.symbols import Symbol, future, perpetual
from services.ingest.venues.terms import Instrument
from services.ingest.venues.wire import FIRST_MS, Millis, Price, nanos, positive

_PERPETUAL: Final = frozenset({"PERPETUAL", "PERPETUAL_DELIVERING"})
_DATED: Final = frozenset(
    {
        "CURRENT_MONTH",
        "NEXT_MONTH",
        "CURRENT_QUARTER",
        "NEXT_QUARTER",
        "CURRENT_QUARTER_DELIVERING",
        "NEXT_QUARTER_DELIVERING",
    }
)
"""Stocks have a type of their own, `TRADIFI_PERPETUAL`."""
NEVER_MS: Final = 4_102_444_800_000
"""2100-01-01: perpetuals say 2100-12-25 for their delivery until the venue announces their end."""

STATUS: Final = {
    "TRADING": ListingStatus.LIVE,
    "PENDING_TRADING": ListingStatus.ANNOUNCED,
    "PRE_TRADING": ListingStatus.ANNOUNCED,
    "HALT": ListingStatus.HALTED,
    "BREAK": ListingStatus.HALTED,
    "END_OF_DAY": ListingStatus.HALTED,
    "AUCTION_MATCH": ListingStatus.HALTED,
    "POST_TRADING": ListingStatus.HALTED,
    "PRE_SETTLE": ListingStatus.CLOSING,
    "SETTLING": ListingStatus.CLOSING,
    "PRE_DELIVERING": ListingStatus.CLOSING,
    "DELIVERING": ListingStatus.CLOSING,
    "CLOSE": ListingStatus.DELISTED,
    "DELIVERED": ListingStatus.DELISTED,
}
"""Its word, or COIN-M's, to ours; one that is not here counts as halted, which is not given up."""


class _Filter(Struct):
    kind: str = field(name="filterType")
    tick: str = field(name="tickSize", default="")
    step: str = field(name="stepSize", default="")


class Listing(Struct):
    """One row, of spot or futures."""

    native: str = field(name="symbol")
    base: str = field(name="baseAsset")
    quote: str = field(name="quoteAsset")
    filters: list[_Filter]
    status: str = ""
    contract_status: str = field(name="contractStatus", default="")
    """COIN-M's word for `status`."""
    contract: str = field(name="contractType", default="")
    """Empty on spot."""
    onboard_ms: int = field(name="onboardDate", default=0)
    delivery_ms: int = field(name="deliveryDate", default=0)
    """Of a perpetual its end; both are 0 on spot, which says neither."""
    face: Price | None = field(name="contractSize", default=None)
    """COIN-M: dollars a contract."""


class _Catalogue(Struct):
    symbols: list[Raw]


decode_catalogue = json.Decoder(_Catalogue).decode
decode_listing = json.Decoder(Listing).decode


def described(listing: Listing, kind: Symbol, *, face: float | None = None) -> Instrument:
    """Return the instrument of a row; `face` makes it inverse: dollars a contract.

    Raises:
        ValidationError: a step is missing.
    """
    steps = {one.kind: one.tick or one.step for one in listing.filters}
    return Instrument(
        symbol=str(kind),
        native=listing.native,
        kind=kind,
        tick=positive(steps.get("PRICE_FILTER", "")),
        lot=positive(steps.get("LOT_SIZE", "")),
        contract_size=1.0 if face is None else face,
        inverse=face is not None,
        status=STATUS.get(listing.status or listing.contract_status, ListingStatus.HALTED),
        listed_ns=_known_ns(listing.onboard_ms),
        delisting_ns=_known_ns(listing.delivery_ms),
    )


def contract(listing: Listing) -> Symbol | None:
    """Return the symbol of a futures row; None for kinds that this system does not follow.

    Raises:
        SymbolError: an asset is none.
        ValidationError: a dated contract without its day.
    """
    if listing.contract in _PERPETUAL:
        return perpetual(listing.base, listing.quote)
    if listing.contract in _DATED:
        day = dt.datetime.fromtimestamp(convert(listing.delivery_ms, Millis) // 1000, tz=dt.UTC).date()
        return future(listing.base, listing.quote, day)
    return None


def _known_ns(millis: int) -> int | None:
    """Return a time of the catalogue; None where it is none, or never."""
    return nanos(millis) if FIRST_MS <= millis < NEVER_MS else None
