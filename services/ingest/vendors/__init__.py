"""Everything vendor-specific: one entry a vendor, and nothing else to change when one is added. Pure."""

from typing import Final

from services.ingest.vendors.alternative import Alternative
from services.ingest.vendors.coingecko import CoinGecko
from services.ingest.vendors.coinglass import CoinGlass
from services.ingest.vendors.lunarcrush import LunarCrush
from services.ingest.vendors.vendor import Vendor

VENDORS: Final[dict[str, type[Vendor]]] = {
    "alternative": Alternative,
    "coingecko": CoinGecko,
    "coinglass": CoinGlass,
    "lunarcrush": LunarCrush,
}
"""Makes of vendors; each takes `url`, `key` and `per_minute`, and options of its own."""

__all__ = ["VENDORS", "Alternative", "CoinGecko", "CoinGlass", "LunarCrush", "Vendor"]
