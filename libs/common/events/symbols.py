"""Canonical symbols: parse and format every form this system uses.

| form | what | settled in |
|---|---|---|
| `BTC-USDT` | spot | |
| `BTC-USDT-PERP` | perpetual, linear | the quote asset |
| `BTC-USD-PERP` | perpetual on US dollars, inverse | the base asset |
| `BTC-USD-20261225` | dated future | as its quote asset says |

Venues' own names never reach a topic: each adapter maps them through the venue's instrument catalogue.
"""

import datetime as dt
import re
from enum import StrEnum, unique
from typing import Final

from msgspec import Struct

_ASSET: Final = r"[^\s\-/:|,]{1,32}"
"""`|` ends the symbol in a record's key, a comma in a list of them."""
_FORM: Final = re.compile(rf"(?P<base>{_ASSET})-(?P<quote>{_ASSET})(?:-(?P<suffix>PERP|\d{{8}}))?")


class SymbolError(ValueError):
    """A text that is no symbol; the message says what is wrong with it."""


@unique
class Kind(StrEnum):
    """What is traded."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    FUTURE = "future"


class Symbol(Struct, frozen=True, order=True):
    """The parts of a canonical symbol."""

    base: str
    quote: str
    kind: Kind = Kind.SPOT
    expiry: dt.date | None = None
    """Delivery day of a dated future, UTC."""

    def __str__(self) -> str:
        """The canonical text; `parse` reads it back to an equal value."""
        return format_symbol(self)

    @property
    def inverse(self) -> bool:
        """True where a contract on US dollars is settled in its base asset."""
        return self.kind is not Kind.SPOT and self.quote == "USD"


def spot(base: str, quote: str) -> Symbol:
    """Return the spot symbol of two assets."""
    return _checked(Symbol(base, quote))


def perpetual(base: str, quote: str) -> Symbol:
    """Return the perpetual of two assets; a quote of USD makes it inverse."""
    return _checked(Symbol(base, quote, Kind.PERPETUAL))


def future(base: str, quote: str, expiry: dt.date) -> Symbol:
    """Return the dated future of two assets."""
    return _checked(Symbol(base, quote, Kind.FUTURE, expiry))


def format_symbol(symbol: Symbol) -> str:
    """Return the canonical text of `symbol`."""
    match symbol.kind:
        case Kind.SPOT:
            return f"{symbol.base}-{symbol.quote}"
        case Kind.PERPETUAL:
            return f"{symbol.base}-{symbol.quote}-PERP"
        case Kind.FUTURE:
            assert symbol.expiry is not None
            return f"{symbol.base}-{symbol.quote}-{symbol.expiry:%Y%m%d}"


def parse(text: str) -> Symbol:
    """Read a canonical symbol.

    Raises:
        SymbolError: `text` has another form; assets are upper case, printable, and may be non-ASCII.
    """
    found = _FORM.fullmatch(text)
    if not found or text != text.upper() or not text.isprintable():
        raise SymbolError(f"{text!r} is no symbol: expected BASE-QUOTE, BASE-QUOTE-PERP or BASE-QUOTE-YYYYMMDD")
    base, quote, suffix = found["base"], found["quote"], found["suffix"]
    if suffix is None:
        return Symbol(base, quote)
    if suffix == "PERP":
        return Symbol(base, quote, Kind.PERPETUAL)
    try:
        expiry = dt.date(int(suffix[:4]), int(suffix[4:6]), int(suffix[6:]))
    except ValueError as e:
        raise SymbolError(f"{text!r} is no symbol: {suffix} is no day") from e
    return Symbol(base, quote, Kind.FUTURE, expiry)


def _checked(symbol: Symbol) -> Symbol:
    parse(format_symbol(symbol))
    return symbol
