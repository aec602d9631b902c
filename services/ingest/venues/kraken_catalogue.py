"""Kraken's catalogue in, instruments by their WebSocket v2 names out. Pure.

A pair has four names: the socket's (`BTC/USD`), the catalogue's key (`XXBTZUSD`, or the socket's name where
`assetVersion=1` asks for display names), REST's short one (`XBTUSD`) and the one of the first WebSocket (`XBT/USD`).
https://docs.kraken.com/api-reference/market-data/get-tradable-asset-pairs
"""

from typing import Annotated, Final

from msgspec import Meta, Raw, Struct, field, json

from libs.common.events import ListingStatus
from libs.common.events.symbols import spot
from services.ingest.venues.terms import Instrument
from services.ingest.venues.wire import Price

ASSETS: Final = {"XBT": "BTC", "XDG": "DOGE"}
"""Assets whose old name differs from that of the socket."""
STATUS: Final = {
    "online": ListingStatus.LIVE,
    "limit_only": ListingStatus.LIVE,  # orders of one kind, and they match
    "post_only": ListingStatus.HALTED,
    "cancel_only": ListingStatus.HALTED,
    "maintenance": ListingStatus.HALTED,
    "reduce_only": ListingStatus.CLOSING,
    "work_in_progress": ListingStatus.ANNOUNCED,
    "delisted": ListingStatus.DELISTED,
}
_MONEY: Final = "currency"
_Decimals = Annotated[int, Meta(ge=0, le=18)]


class Listing(Struct, kw_only=True):
    """A row of `AssetPairs`."""

    short: str = field(name="altname")
    old: str = field(name="wsname", default="")
    base_class: str = field(name="aclass_base", default=_MONEY)
    quote_class: str = field(name="aclass_quote", default=_MONEY)
    price_decimals: _Decimals = field(name="pair_decimals")
    size_decimals: _Decimals = field(name="lot_decimals")
    tick: Price | None = field(name="tick_size", default=None)
    status: str = "online"


_decode_listing = json.Decoder(Listing, strict=False).decode


def instrument_of(key: str, row: Raw) -> Instrument | None:
    """Return the instrument; None for what the socket has no name for, such as dark pools, and for tokenized shares.

    Raises:
        ValidationError: the row is no listing.
        SymbolError: its assets have names that are none of ours.
    """
    listing = _decode_listing(row)
    parts = (key if "/" in key else listing.old).split("/")
    if len(parts) != 2 or {listing.base_class, listing.quote_class} != {_MONEY}:
        return None
    base, quote = (ASSETS.get(part, part) for part in parts)
    native = f"{base}/{quote}"
    kind = spot(base, quote)
    return Instrument(
        symbol=str(kind),
        native=native,
        kind=kind,
        tick=listing.tick or float(f"1e-{listing.price_decimals}"),
        lot=float(f"1e-{listing.size_decimals}"),
        status=STATUS.get(listing.status, ListingStatus.HALTED),
        aliases=tuple(dict.fromkeys(name for name in (listing.short, listing.old, key) if name and name != native)),
    )


def short_name(instrument: Instrument) -> str:
    """Return REST's name of a pair: its first alias."""
    return instrument.aliases[0] if instrument.aliases else instrument.native
