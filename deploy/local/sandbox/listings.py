"""What the sandbox lists: one row a market, with its steps, its size unit and how busy it is."""

from typing import Final

from msgspec import Struct


class Listing(Struct, frozen=True, kw_only=True):
    """One market. Inside the sandbox prices are integer ticks and sizes integer lots, so that sums are exact."""

    venue: str
    symbol: str
    """Canonical."""
    native: str
    """The venue's own name; Bybit's with its category before it, for `BTCUSDT` is two things there."""
    base: str
    quote: str
    tick_decimals: int
    """One tick is 10 ** -tick_decimals, quote currency."""
    price_decimals: int
    """Digits the venue prints."""
    lot_decimals: int
    """One lot is 10 ** -lot_decimals of the venue's size unit (base units; contracts on OKX swaps)."""
    contract_size: str = "1"
    """Base units in one unit of size; of an inverse contract: quote currency."""
    price: float = 0.0
    """Where the simulation starts, quote currency."""
    orders_per_s: float = 0.0
    """Market orders in a calm phase."""
    changes_per_s: float = 200.0
    """Levels of the book that are set, moved or removed, besides those at the touch."""
    median_lots: int = 1
    """Median size of a market order."""

    @property
    def swap(self) -> bool:
        """True for a perpetual."""
        return self.symbol.endswith("-PERP")

    @property
    def inverse(self) -> bool:
        """True for a perpetual whose size is in quote currency."""
        return self.swap and self.quote == "USD"

    @property
    def tick(self) -> float:
        """Price step."""
        return float(f"1e-{self.tick_decimals}")

    def price_text(self, ticks: float) -> str:
        """Return a price in ticks as the venue prints it."""
        return f"{ticks / 10**self.tick_decimals:.{self.price_decimals}f}"

    def size_text(self, lots: int) -> str:
        """Return a size in lots as the venue prints it."""
        return f"{lots / 10**self.lot_decimals:.{self.lot_decimals}f}"

    def ticks(self, price: str) -> int:
        """Return a printed price in ticks."""
        return round(float(price) * float(10**self.tick_decimals))

    def lots(self, size: str) -> int:
        """Return a printed size in lots."""
        return round(float(size) * float(10**self.lot_decimals))


BINANCE_SPOT: Final = "binance-spot"
BINANCE_USDM: Final = "binance-usdm"
BYBIT: Final = "bybit"
OKX: Final = "okx"

_BTC = {"base": "BTC", "quote": "USDT", "tick_decimals": 1, "price": 64_000.0}
_ETH = {"base": "ETH", "quote": "USDT", "tick_decimals": 2, "price": 3_200.0}
_SOL = {"base": "SOL", "quote": "USDT", "tick_decimals": 2, "price": 150.0}


def _listing(venue: str, symbol: str, native: str, asset: dict[str, object], **own: object) -> Listing:
    fields = {"venue": venue, "symbol": symbol, "native": native, **asset, **own}
    return Listing(**fields)  # type: ignore[arg-type]  # literal rows below, checked by the tests' conversion


DEFAULT: Final = (
    _listing(
        BINANCE_USDM,
        "BTC-USDT-PERP",
        "BTCUSDT",
        _BTC,
        price_decimals=2,
        lot_decimals=3,
        orders_per_s=4.0,
        median_lots=12,
    ),
    _listing(
        BINANCE_USDM,
        "ETH-USDT-PERP",
        "ETHUSDT",
        _ETH,
        price_decimals=2,
        lot_decimals=3,
        orders_per_s=3.0,
        median_lots=200,
    ),
    _listing(
        BINANCE_USDM,
        "SOL-USDT-PERP",
        "SOLUSDT",
        _SOL,
        price_decimals=4,
        lot_decimals=2,
        orders_per_s=2.0,
        median_lots=400,
    ),
    _listing(
        OKX,
        "BTC-USDT-PERP",
        "BTC-USDT-SWAP",
        _BTC,
        price_decimals=1,
        lot_decimals=2,
        contract_size="0.01",
        orders_per_s=3.0,
        median_lots=100,
    ),
    _listing(
        OKX, "BTC-USDT", "BTC-USDT", _BTC, price_decimals=1, lot_decimals=8, orders_per_s=2.0, median_lots=600_000
    ),
    _listing(OKX, "ETH-USDT", "ETH-USDT", _ETH, price_decimals=2, lot_decimals=6, orders_per_s=2.0, median_lots=90_000),
)
"""Tick, lot and contract values are those of the real venues; prices and rates are made up."""
