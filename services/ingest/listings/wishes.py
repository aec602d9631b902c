"""Words of `CSX_INGEST_SYMBOLS` in, what is to be followed out: named symbols, and the busiest of a venue. Pure.

| word | who is meant |
|---|---|
| `BTC-USDT-PERP` | that one |
| `top:65` | the 65 with the largest turnover, of every kind, in any quote of `DOLLARS` |
| `top:65:PERP` | of these the perpetuals; `SPOT` and `FUTURE` likewise |
| `top:65:USDT-PERP` | the perpetuals in that quote, whatever quote it is; `KRW-SPOT` and `USD-FUTURE` likewise |

Turnover is money of the quote: won and dollars cannot be ranked together, so without a quote only dollars are.
"""

import re
from typing import Final

from msgspec import Struct

from libs.common.events.symbols import Kind, Symbol, SymbolError

DOLLARS: Final = frozenset(
    {"USD", "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USDE", "USD1", "PYUSD", "USDD", "USDP"}
)
"""Quotes that are worth a dollar, or promise to be: their turnovers may be compared."""

MOST: Final = 1_000
"""Instruments that one `top:` may ask for."""

_KINDS: Final = {"SPOT": Kind.SPOT, "PERP": Kind.PERPETUAL, "FUTURE": Kind.FUTURE}
_TOP: Final = re.compile(r"top:(?P<count>\d{1,6})(?::(?:(?P<quote>[^\s\-/:]{1,32})-)?(?P<kind>SPOT|PERP|FUTURE))?")


class Top(Struct, frozen=True):
    """The `count` instruments of the largest turnover, of one kind and one quote where these are named."""

    count: int
    quote: str | None = None
    kind: Kind | None = None

    def admits(self, symbol: Symbol) -> bool:
        """Return whether `symbol` is of those that are ranked."""
        quoted = symbol.quote == self.quote if self.quote else symbol.quote in DOLLARS
        return quoted and (self.kind is None or symbol.kind is self.kind)


def top_of(word: str) -> Top | None:
    """Read a word that begins with `top:`; None for every other word.

    Raises:
        SymbolError: it says no number from 1 to 1,000, or a filter of another form.
    """
    if not word.startswith("top:"):
        return None
    found = _TOP.fullmatch(word)
    if not found or (found["quote"] or "") != (found["quote"] or "").upper():
        raise SymbolError(f"{word!r} is no choice: expected top:N, top:N:PERP (or SPOT, FUTURE) or top:N:USDT-PERP")
    if not 1 <= int(found["count"]) <= MOST:
        raise SymbolError(f"{word!r}: from 1 to {MOST} can be chosen")
    return Top(int(found["count"]), found["quote"], _KINDS[found["kind"]] if found["kind"] else None)
