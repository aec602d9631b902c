"""Everything exchange-specific: one entry a venue, and nothing else to change when one is added. Pure."""

from typing import Final

from services.ingest.venues.binance_coinm import BinanceCoinm
from services.ingest.venues.binance_spot import BinanceSpot
from services.ingest.venues.binance_usdm import BinanceUsdm
from services.ingest.venues.bybit import Bybit
from services.ingest.venues.coinapi import Coinapi
from services.ingest.venues.hyperliquid import Hyperliquid
from services.ingest.venues.kraken import Kraken
from services.ingest.venues.okx import Okx

VENUES: Final = {
    "binance-coinm": BinanceCoinm,
    "binance-spot": BinanceSpot,
    "binance-usdm": BinanceUsdm,
    "bybit": Bybit,
    "coinapi": Coinapi,
    "hyperliquid": Hyperliquid,
    "kraken": Kraken,
    "okx": Okx,
}
"""Makes of venues; each takes `ws_url` and `rest_url`, and options of its own."""
KEYED: Final = frozenset({"coinapi"})
"""Those that give nothing without an `api_key`."""

__all__ = [
    "KEYED",
    "VENUES",
    "BinanceCoinm",
    "BinanceSpot",
    "BinanceUsdm",
    "Bybit",
    "Coinapi",
    "Hyperliquid",
    "Kraken",
    "Okx",
]
