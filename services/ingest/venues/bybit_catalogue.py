"""Bybit's catalogue: a row of `instruments-info` in, what it says of an instrument out. Pure."""

import datetime as dt
from typing import Final

from msgspec import Struct, field, json

from libs.common.events import ListingStatus
from libs.common.events.symbols import Symbol, SymbolError, future, perpetual, spot
from services.ingest.venues import bybit_wire as wire
from services.ingest.venues.bybit_wire import CATEGORIES, INVERSE, SPOT
from services.ingest.venues.terms import Instrument
from services.ingest.venues.wire import Price, known_ns, positive

_NO_CRYPTO: Final = frozenset({"stock", "xstocks", "mstocks", "commodity", "forex", "ETF"})
STATUS: Final = {
    "Trading": ListingStatus.LIVE,
    "PreLaunch": ListingStatus.ANNOUNCED,
    "Delivering": ListingStatus.CLOSING,
    "Closed": ListingStatus.DELISTED,
}
"""Its word to ours; one that is not here counts as halted, which is not given up."""


class _Price(Struct):
    tick: Price = field(name="tickSize")


class _Lot(Struct):
    step: str = field(name="qtyStep", default="")
    precision: str = field(name="basePrecision", default="")


class Listing(Struct):
    """One row, of any category."""

    name: str = field(name="symbol")
    status: str
    base: str = field(name="baseCoin")
    quote: str = field(name="quoteCoin")
    price: _Price = field(name="priceFilter")
    lot: _Lot = field(name="lotSizeFilter")
    contract: str = field(name="contractType", default="")
    launched: str = field(name="launchTime", default="")
    delivery: str = field(name="deliveryTime", default="")
    """Of a perpetual its end; "0" until that is known. Spot says neither."""
    shown: str = field(name="displayName", default="")
    """The name on the venue's pages, where that is another one: `BTCPERP` is shown as `BTCUSDC`."""
    group: str = field(name="symbolType", default="")


decode_listing = json.Decoder(Listing, strict=False).decode


def instrument_of(category: str, listing: Listing) -> Instrument | None:
    """Return the instrument; None for kinds that this system does not follow.

    Raises:
        ValidationError: a number is missing; SymbolError: it has no name.
    """
    if category not in CATEGORIES or listing.group in _NO_CRYPTO:
        return None
    kind = spot(listing.base, listing.quote) if category == SPOT else _contract(listing)
    if kind.inverse != (category == INVERSE):
        return None
    return Instrument(
        symbol=str(kind),
        native=wire.native(category, listing.name),
        kind=kind,
        tick=listing.price.tick,
        lot=positive(listing.lot.precision if category == SPOT else listing.lot.step),
        inverse=kind.inverse,
        status=STATUS.get(listing.status, ListingStatus.HALTED),
        listed_ns=known_ns(listing.launched),
        delisting_ns=known_ns(listing.delivery),
        aliases=(wire.native(category, listing.shown),) if listing.shown not in {"", listing.name} else (),
    )


def _contract(listing: Listing) -> Symbol:
    if listing.contract in {"LinearPerpetual", "InversePerpetual"}:
        return perpetual(listing.base, listing.quote)
    if listing.contract in {"LinearFutures", "InverseFutures"}:
        seconds = wire.delivery_ms(listing.delivery) // 1000
        return future(listing.base, listing.quote, dt.datetime.fromtimestamp(seconds, tz=dt.UTC).date())
    raise SymbolError(f"{listing.name}: {listing.contract} is not followed")
