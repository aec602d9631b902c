"""Sixty-five markets over four venues, as busy as their rank: the assets' table in, listings out."""

from typing import Final

from msgspec import Struct

from deploy.local.sandbox.listings import BINANCE_SPOT, BINANCE_USDM, BYBIT, DEFAULT, OKX, Listing


class _Asset(Struct, frozen=True):
    """One coin, priced in tethers."""

    base: str
    price: float
    tick_decimals: int
    lot_decimals: int
    """Of a size in coins."""
    contract: str
    """Coins in one OKX contract."""


_ASSETS: Final = (
    _Asset("BTC", 64_000.0, 1, 3, "0.01"),
    _Asset("ETH", 3_200.0, 2, 3, "0.1"),
    _Asset("SOL", 150.0, 2, 2, "1"),
    _Asset("XRP", 0.52, 4, 1, "100"),
    _Asset("DOGE", 0.12, 5, 0, "1000"),
    _Asset("BNB", 580.0, 2, 2, "0.01"),
    _Asset("ADA", 0.44, 4, 0, "100"),
    _Asset("LINK", 14.2, 3, 2, "1"),
    _Asset("AVAX", 27.5, 3, 0, "1"),
    _Asset("SUI", 0.98, 4, 1, "1"),
    _Asset("TON", 6.4, 4, 1, "1"),
    _Asset("LTC", 71.0, 2, 3, "1"),
    _Asset("DOT", 5.9, 3, 1, "1"),
    _Asset("NEAR", 4.6, 3, 0, "10"),
    _Asset("PEPE", 0.0000098, 9, 0, "10000000"),
    _Asset("ARB", 0.71, 4, 1, "10"),
    _Asset("币安人生", 0.21, 5, 0, "10"),
    _Asset("WIF", 1.9, 4, 1, "1"),
    _Asset("SHIB", 0.000017, 8, 0, "1000000"),
    _Asset("MKR", 2_450.0, 1, 3, "0.01"),
)
"""By rank. Prices are rounded from the summer of 2024, steps are what venues take for such prices; both are made up."""


class _Place(Struct, frozen=True):
    """Which of the assets one venue lists, of one kind."""

    venue: str
    suffix: str
    """Of the canonical symbol, after the base."""
    form: str
    """Of the venue's own name."""
    count: int
    share: float
    """How busy the venue is, in parts of the busiest."""


_PLACES: Final = (
    _Place(BINANCE_USDM, "-USDT-PERP", "{}USDT", 20, 1.0),
    _Place(OKX, "-USDT-PERP", "{}-USDT-SWAP", 14, 0.7),
    _Place(OKX, "-USDT", "{}-USDT", 2, 0.5),
    _Place(BYBIT, "-USDT-PERP", "linear:{}USDT", 13, 0.8),
    _Place(BYBIT, "-USDT", "spot:{}USDT", 2, 0.4),
    _Place(BYBIT, "-USD-PERP", "inverse:{}USD", 1, 0.2),
    _Place(BINANCE_SPOT, "-USDT", "{}USDT", 13, 0.8),
)
_BUSIEST_ORDERS: Final = 5.0
_BUSIEST_CHANGES: Final = 150.0
_MEDIAN_WORTH: Final = 800.0
"""Of a market order, quote currency."""


def _listing(place: _Place, rank: int, asset: _Asset) -> Listing:
    inverse = place.suffix == "-USD-PERP"
    contract = float(asset.contract) if place.form.endswith("-SWAP") else 1.0
    lots = 0 if inverse or contract != 1.0 else asset.lot_decimals
    unit = 1.0 if inverse else asset.price * contract / 10**lots
    busy = place.share / (1 + rank) ** 1.2
    return Listing(
        venue=place.venue,
        symbol=f"{asset.base}{place.suffix}",
        native=place.form.format(asset.base),
        base=asset.base,
        quote="USD" if inverse else "USDT",
        tick_decimals=asset.tick_decimals,
        price_decimals=asset.tick_decimals,
        lot_decimals=lots,
        contract_size=asset.contract if contract != 1.0 else "1",
        price=asset.price,
        orders_per_s=_BUSIEST_ORDERS * busy,
        changes_per_s=max(4.0, _BUSIEST_CHANGES * busy**0.5),
        median_lots=max(1, round(_MEDIAN_WORTH / unit)),
    )


def _many() -> tuple[Listing, ...]:
    rows = [_listing(place, rank, asset) for place in _PLACES for rank, asset in enumerate(_ASSETS[: place.count])]
    few = {(row.venue, row.symbol): row for row in DEFAULT}
    return tuple(few.get((row.venue, row.symbol), row) for row in rows)


MANY: Final = _many()
"""The few of `DEFAULT` among them as they are there."""
