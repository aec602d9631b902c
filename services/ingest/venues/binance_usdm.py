"""Binance USD-M futures: where to connect since the routes were split, and what is listed there. Pure."""

from collections.abc import Mapping
from typing import ClassVar

from libs.common.events import Origin
from services.ingest.venues.binance_catalogue import Listing, contract, described
from services.ingest.venues.binance_futures import BinanceFutures
from services.ingest.venues.binance_futures_stream import COIN_MARGINED, FuturesSession
from services.ingest.venues.binance_rules import FUTURES_CANDLES, Rules
from services.ingest.venues.terms import Instrument, Plan, Stream
from services.ingest.venues.venue import Session


class BinanceUsdm(BinanceFutures):
    """The venue; sizes are base units."""

    name = "binance-usdm"
    rules: ClassVar[Rules] = Rules(
        ws_url="wss://fstream.binance.com",
        rest_url="https://fapi.binance.com",
        api="/fapi/v1",
        depth_weight=20,
        candle_weights=FUTURES_CANDLES,
        page_weight=20,
        single_weight=200,
    )

    def session(self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin) -> Session:
        """Return a new session; a plan without symbols hears everything."""
        return FuturesSession(plan, instruments, origin, self._trade_channel, venue=self.name, foreign=COIN_MARGINED)

    def _instrument(self, listing: Listing) -> Instrument | None:
        """Contracts on stocks have a type of their own: None."""
        kind = contract(listing)
        return described(listing, kind) if kind else None

    def _route(self, stream: Stream) -> str:
        """Books and single trades are on one route, the rest on the other."""
        if stream is Stream.BOOKS or (stream is Stream.TRADES and self._trade_channel == "trade"):
            return "/public"
        return "/market"
