"""Instruments read from their names alone: for recordings that came without the venue's catalogue, never for live data.

What a name does not say stays unknown: price and size steps are NaN here, and contracts of OKX and of Binance COIN-M
are refused, because their size in base units cannot be computed without their face value.
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from libs.common.events.symbols import Symbol, SymbolError, future, perpetual, spot
from services.ingest.venues.hyperliquid_wire import kind_of
from services.ingest.venues.terms import Instrument

USDM_QUOTES: Final = ("USDT", "USDC", "BUSD", "BTC")
"""Every asset that USD-M contracts have been quoted in; sizes there are base units, so a name is enough."""
_USDM: Final = re.compile(rf"(?P<base>[^\s_]+?)(?P<quote>{'|'.join(USDM_QUOTES)})(?:_(?P<day>\d{{6}}))?")
SPOT_QUOTES: Final = (
    *("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USDP", "PAX", "DAI"),
    *("BTC", "ETH", "BNB", "TRX", "XRP", "DOGE"),
    *("EUR", "GBP", "AUD", "TRY", "BRL", "RUB", "UAH", "BIDR", "IDRT", "NGN", "ZAR", "PLN", "RON"),
)
"""Assets that Binance's spot pairs are quoted in. None ends in another one, so a name is cut in one way or in none."""
_SPOT: Final = re.compile(rf"(?P<base>[^\s_-]+?)(?P<quote>{'|'.join(SPOT_QUOTES)})")
_BYBIT: Final = {
    "linear": re.compile(r"(?P<base>[^\s_-]+?)(?P<quote>USDT|PERP)"),
    "inverse": re.compile(r"(?P<base>[^\s_-]+?)(?P<quote>USD)"),
    "spot": re.compile(r"(?P<base>[^\s_-]+?)(?P<quote>USDT|USDC)"),
}
"""Its inverse contracts are worth one dollar each, so a name is enough there too."""

Derive: TypeAlias = Callable[[str], Instrument | None]


class NamedInstruments(Mapping[str, Instrument]):
    """A catalogue that knows what it was told, and derives the rest where the name allows."""

    def __init__(self, derive: Derive) -> None:
        self._derive = derive
        self._known: dict[str, Instrument] = {}

    def learn(self, instruments: Mapping[str, Instrument]) -> None:
        """Take a part of the venue's own catalogue; it wins over any name."""
        self._known.update(instruments)

    def __getitem__(self, native: str) -> Instrument:
        """Return the instrument; KeyError where neither catalogue nor name tell."""
        instrument = self._known.get(native) or self._derive(native)
        if instrument is None:
            raise KeyError(native)
        self._known[native] = instrument
        return instrument

    def __iter__(self) -> Iterator[str]:
        """Yield what is known by now."""
        return iter(self._known)

    def __len__(self) -> int:
        """Count what is known by now."""
        return len(self._known)


def binance_usdm(native: str) -> Instrument | None:
    """Return a perpetual (`BTCUSDT`) or dated future (`BTCBUSD_210129`)."""
    found = _USDM.fullmatch(native)
    if not found:
        return None
    day = found["day"]
    try:
        if day is None:
            return _instrument(native, perpetual(found["base"], found["quote"]))
        expiry = dt.date(2000 + int(day[:2]), int(day[2:4]), int(day[4:]))
        return _instrument(native, future(found["base"], found["quote"], expiry))
    except (SymbolError, ValueError):
        return None


def binance_spot(native: str) -> Instrument | None:
    """Return a spot pair (`BTCUSDT`); None where the name ends in no known quote asset."""
    found = _SPOT.fullmatch(native)
    try:
        return _instrument(native, spot(found["base"], found["quote"])) if found else None
    except SymbolError:
        return None


def binance_coinm(native: str) -> None:
    """Return None, always: `BTCUSD_PERP` does not say how many dollars a contract is."""
    _ = native


def bybit(native: str) -> Instrument | None:
    """Return a perpetual or a spot pair, by category and name (`inverse:BTCUSD`); not a dated contract."""
    category, _, name = native.partition(":")
    found = _BYBIT[category].fullmatch(name) if category in _BYBIT else None
    if not found:
        return None
    base, quote = found["base"], "USDC" if found["quote"] == "PERP" else found["quote"]
    try:
        if category == "spot":
            return _instrument(native, spot(base, quote))
        return _instrument(native, perpetual(base, quote), inverse=category == "inverse")
    except SymbolError:
        return None


def okx(native: str) -> Instrument | None:
    """Return a spot pair (`BTC-USDT`): its dash is the venue's own, and its sizes are base units."""
    parts = native.split("-")
    if len(parts) != 2:
        return None
    try:
        return _instrument(native, spot(*parts))
    except SymbolError:
        return None


def kraken(native: str) -> Instrument | None:
    """Return a spot pair (`BTC/USD`): its slash is the venue's own, and it has no other market here."""
    parts = native.split("/")
    if len(parts) != 2:
        return None
    try:
        return _instrument(native, spot(*parts))
    except SymbolError:
        return None


def coinapi(native: str) -> Instrument | None:
    """Return a spot pair (`COINBASE_SPOT_BTC_USD`): its sizes are base units, whatever the exchange."""
    parts = native.split("_")
    if len(parts) != 4 or parts[1] != "SPOT":
        return None
    try:
        return _instrument(native, spot(*parts[2:]))
    except SymbolError:
        return None


def hyperliquid(native: str) -> Instrument | None:
    """Return a perpetual (`BTC`, `kPEPE`): sizes are units of the coin, whatever the contract."""
    try:
        return _instrument(native, kind_of(native))
    except SymbolError:
        return None


def _instrument(native: str, kind: Symbol, *, inverse: bool = False) -> Instrument:
    return Instrument(symbol=str(kind), native=native, kind=kind, tick=math.nan, lot=math.nan, inverse=inverse)


NAMES: Final[dict[str, Derive]] = {
    "binance-coinm": binance_coinm,
    "binance-spot": binance_spot,
    "binance-usdm": binance_usdm,
    "bybit": bybit,
    "coinapi": coinapi,
    "hyperliquid": hyperliquid,
    "kraken": kraken,
    "okx": okx,
}
