"""OKX's catalogue: a row of `instruments` in, what it says of an instrument out. Pure."""

import datetime as dt
from typing import Final

from msgspec import Struct, field, json

from libs.common.events import ListingStatus
from libs.common.events.symbols import Symbol, SymbolError, future, perpetual, spot
from services.ingest.venues import okx_wire as wire
from services.ingest.venues.terms import Instrument
from services.ingest.venues.wire import Price, known_ns, positive

_CRYPTO: Final = ("", "1")
STATUS: Final = {
    "live": ListingStatus.LIVE,
    "suspend": ListingStatus.HALTED,
    "rebase": ListingStatus.HALTED,
    "post_only": ListingStatus.HALTED,
    "preopen": ListingStatus.ANNOUNCED,
    "settling": ListingStatus.CLOSING,
    "expired": ListingStatus.DELISTED,
}
"""Its word to ours; one that is not here, such as `test`, counts as halted, which is not given up."""


class Listing(Struct):
    """One row, of any kind."""

    kind: str = field(name="instType")
    native: str = field(name="instId")
    state: str
    tick: Price = field(name="tickSz")
    lot: Price = field(name="lotSz")
    base: str = field(name="baseCcy", default="")
    quote: str = field(name="quoteCcy", default="")
    face: str = field(name="ctVal", default="")
    multiplier: str = field(name="ctMult", default="")
    face_asset: str = field(name="ctValCcy", default="")
    contract: str = field(name="ctType", default="")
    settled_in: str = field(name="settleCcy", default="")
    family: str = field(name="instFamily", default="")
    underlying: str = field(name="uly", default="")
    rule: str = field(name="ruleType", default="")
    category: str = field(name="instCategory", default="")
    listed: str = field(name="listTime", default="")
    expires: str = field(name="expTime", default="")
    """When a dated contract is delivered, or anything else taken from the market; empty until that is known."""


decode_listing = json.Decoder(Listing, strict=False).decode


def instrument_of(listing: Listing) -> Instrument | None:
    """Return the instrument; None for kinds that this system does not follow.

    Raises:
        ValidationError: a number is missing; SymbolError: it has no name.
    """
    if listing.kind == "SPOT":
        kind, face = spot(listing.base, listing.quote), 1.0
    elif listing.rule == "xperp" or listing.category not in _CRYPTO or listing.contract not in {"linear", "inverse"}:
        return None
    else:
        kind = _contract(listing)
        face = positive(listing.face) * positive(listing.multiplier or "1")
    inverse = listing.contract == "inverse"
    family = listing.family or listing.underlying or f"{kind.base}-{kind.quote}"
    if kind.inverse != inverse or family != f"{kind.base}-{kind.quote}":
        return None  # such as linear on dollars: no canonical symbol tells it from its namesake
    return Instrument(
        symbol=str(kind),
        native=listing.native,
        kind=kind,
        tick=listing.tick,
        lot=listing.lot if inverse else listing.lot * face,
        contract_size=face,
        inverse=inverse,
        status=STATUS.get(listing.state, ListingStatus.HALTED),
        listed_ns=known_ns(listing.listed),
        delisting_ns=known_ns(listing.expires),
    )


def _contract(listing: Listing) -> Symbol:
    """Return a contract's symbol: its face value and its settlement are in the two assets, the catalogue says which."""
    linear = listing.contract == "linear"
    base, quoted = (listing.face_asset, listing.settled_in) if linear else (listing.settled_in, listing.face_asset)
    if listing.kind == "SWAP":
        return perpetual(base, quoted)
    if listing.kind == "FUTURES":
        seconds = wire.millis(listing.expires) // 1000
        return future(base, quoted, dt.datetime.fromtimestamp(seconds, tz=dt.UTC).date())
    raise SymbolError(f"{listing.native}: {listing.kind} is not followed")
