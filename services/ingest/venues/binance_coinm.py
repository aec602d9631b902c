"""Binance COIN-M futures: where to connect, and contracts of so many dollars that are settled in coins. Pure."""

from collections.abc import Mapping
from typing import ClassVar

from libs.common.events import Origin
from services.ingest.venues.binance_catalogue import Listing, contract, described
from services.ingest.venues.binance_futures import BinanceFutures
from services.ingest.venues.binance_futures_stream import USD_MARGINED, FuturesSession
from services.ingest.venues.binance_rules import FUTURES_CANDLES, Rules
from services.ingest.venues.terms import Instrument, Plan, Stream
from services.ingest.venues.venue import Session


class BinanceCoinm(BinanceFutures):
    """The venue; sizes are contracts of `contract_size` dollars: base units are contracts x dollars / price.

    Sources disagree on whether its streams were split over routes in 2026 too; `ws_url` may carry such a path.
    """

    name = "binance-coinm"
    rules: ClassVar[Rules] = Rules(
        ws_url="wss://dstream.binance.com",
        rest_url="https://dapi.binance.com",
        api="/dapi/v1",
        depth_weight=20,
        candle_weights=FUTURES_CANDLES,
        page_weight=20,
        single_weight=20,
        volume=7,
        taker_volume=10,
    )

    def session(self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin) -> Session:
        """Return a new session; a plan without symbols hears everything."""
        return FuturesSession(plan, instruments, origin, self._trade_channel, venue=self.name, foreign=USD_MARGINED)

    def _instrument(self, listing: Listing) -> Instrument | None:
        """A contract without its face value, or not in dollars, cannot be counted: None."""
        kind = contract(listing)
        if kind is None or listing.face is None or not kind.inverse:
            return None
        return described(listing, kind, face=listing.face)

    def _route(self, stream: Stream) -> str:
        """Everything is on one connection."""
        _ = stream
        return ""
