"""Binance spot: where to connect, and what is listed there. Pure."""

from collections.abc import Mapping
from typing import ClassVar, Final

from libs.common.events import Origin
from libs.common.events.symbols import spot
from services.ingest.venues.binance import Binance
from services.ingest.venues.binance_catalogue import Listing, described
from services.ingest.venues.binance_rules import Rules
from services.ingest.venues.binance_spot_stream import SpotSession
from services.ingest.venues.terms import Instrument, Plan, Stream
from services.ingest.venues.venue import Session

_STREAMS: Final = frozenset({Stream.TRADES, Stream.BOOKS})


class BinanceSpot(Binance):
    """The venue; sizes are base units, and there is nothing to fund or to liquidate."""

    weight_per_minute = 3000.0
    name = "binance-spot"
    rules: ClassVar[Rules] = Rules(
        ws_url="wss://stream.binance.com:9443",
        rest_url="https://api.binance.com",
        api="/api/v3",
        listing_weight=20,
        depth_weight=50,
        candle_weights=((1_000, 2),),
        page_weight=4,
        single_weight=25,
        day_weight=80,
        micros=True,
    )

    def session(self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin) -> Session:
        """Return a new session; a plan without symbols hears everything."""
        return SpotSession(plan, instruments, origin, self._trade_channel, venue=self.name)

    def _instrument(self, listing: Listing) -> Instrument:
        return described(listing, spot(listing.base, listing.quote))

    def _route(self, stream: Stream) -> str | None:
        """Trades and books share their connections."""
        return "" if stream in _STREAMS else None
