"""CoinAPI's catalogue: a row of `symbols` in, what it says of an instrument out. Pure."""

import datetime as dt
import math

from msgspec import Raw, json

from libs.common.events import SECOND_NS
from libs.common.events.symbols import Symbol, future, perpetual, spot
from services.ingest.venues import coinapi_wire as wire
from services.ingest.venues.moments import moment_ns
from services.ingest.venues.terms import AnswerError, Instrument
from services.ingest.venues.wire import UNREADABLE

_decode_rows = json.Decoder(list[Raw]).decode
decode_listing = json.Decoder(wire.Listing).decode


def rows_of(body: bytes) -> list[Raw]:
    """Return the rows of an answer.

    Raises:
        AnswerError: it is no list, as an error is none.
    """
    try:
        return _decode_rows(body)
    except UNREADABLE as e:
        raise AnswerError(f"coinapi: {e}: {body[:200]!r}") from e


def instrument_of(listing: wire.Listing, exchange: str) -> Instrument | None:
    """Return the instrument of `exchange`; None for others, and for kinds and units that this system does not follow.

    The vendor says neither whether a symbol trades nor since when: its `data_start` is when it began to listen.

    Raises:
        ValidationError: its day is none; SymbolError: it has no name.
    """
    if exchange and listing.exchange_id != exchange:
        return None
    kind = _kind(listing)
    size = _base_units(listing, kind) if kind else None
    if kind is None or size is None:
        return None
    due = _due(listing)
    return Instrument(
        symbol=str(kind),
        native=listing.symbol_id,
        kind=kind,
        tick=listing.price_precision or math.nan,
        lot=(listing.size_precision or math.nan) * size,
        contract_size=size,
        delisting_ns=moment_ns(due) if due and kind.expiry else None,
        aliases=(listing.symbol_id_exchange,) if listing.symbol_id_exchange else (),
    )


def _due(listing: wire.Listing) -> str | None:
    return listing.future_delivery_time or listing.contract_delivery_time


def _kind(listing: wire.Listing) -> Symbol | None:
    match listing.symbol_type:
        case "SPOT":
            return spot(listing.asset_id_base, listing.asset_id_quote)
        case "PERPETUAL":
            kind = perpetual(listing.asset_id_base, listing.asset_id_quote)
        case "FUTURES":
            due = _due(listing)
            if due is None:
                return None
            seconds = moment_ns(due) // SECOND_NS
            day = dt.datetime.fromtimestamp(seconds, tz=dt.UTC).date()
            kind = future(listing.asset_id_base, listing.asset_id_quote, day)
        case _:
            return None
    return None if kind.inverse else kind  # sizes in dollars make no candle volume in base units


def _base_units(listing: wire.Listing, kind: Symbol) -> float | None:
    """Return what one unit of size is worth in base units; None where the catalogue does not say."""
    if listing.symbol_type == "SPOT":
        return 1.0
    units = (
        (listing.contract_unit, listing.contract_unit_asset),
        (listing.future_contract_unit, listing.future_contract_unit_asset),
    )
    return next((unit for unit, asset in units if unit and asset == kind.base), None)
