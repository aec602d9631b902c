"""CoinAPI's figures by REST: the catalogue's volumes in, the day's turnover out. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct, json

from libs.common.events.symbols import Kind
from services.ingest.venues.coinapi_catalogue import rows_of
from services.ingest.venues.terms import Instrument
from services.ingest.venues.wire import UNREADABLE, LevelSize

DOLLARS: Final = frozenset({"USD", "USDT", "USDC"})
"""Quote assets that are dollars, or are to be worth one: the vendor counts in dollars only."""


class _Day(Struct):
    """What a row of `symbols` says of the last 24 hours."""

    symbol_id: str
    volume_1day: LevelSize | None = None
    """Base units of spot; nobody says whether of contracts too."""
    volume_1day_usd: LevelSize | None = None
    price: LevelSize | None = None
    """Of the last trade."""


_decode_day = json.Decoder(_Day).decode


def turnover(bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
    """Return the quote currency of the last 24 hours by the vendor's names.

    Quoted in dollars: the vendor's dollars. Other spot pairs: base units x the last price. Other contracts: nothing.

    Raises:
        AnswerError: a body is an error or unreadable.
    """
    found: dict[str, float] = {}
    for body in bodies:
        for raw in rows_of(body):
            try:
                day = _decode_day(raw)
            except UNREADABLE:
                continue  # what cannot be read is absent
            instrument = instruments.get(day.symbol_id)
            quoted = _quoted(instrument, day) if instrument else None
            if quoted is not None:
                found[day.symbol_id] = quoted
    return found


def _quoted(instrument: Instrument, day: _Day) -> float | None:
    if instrument.kind.quote in DOLLARS:
        return day.volume_1day_usd
    if instrument.kind.kind is not Kind.SPOT or day.volume_1day is None or day.price is None:
        return None
    return day.volume_1day * day.price
