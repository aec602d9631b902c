"""Market events in, in any interleaving of markets; candles, readings and signals out, each caused by one event."""

import msgspec
from msgspec import Struct

from libs.common.events import MarketEvent, Metric, Profile
from libs.common.events.catalogue import MARKET_WIDE
from services.signals.engine.closing import Output
from services.signals.engine.config import ENGINE_VERSION, EngineConfig
from services.signals.engine.market import Market
from services.signals.engine.profiles import profiles
from services.signals.engine.tape.venues import Venues
from services.signals.engine.vendors import Vendors


class EngineStateError(ValueError):
    """A dump that this engine cannot continue; the message says why."""


class _Head(Struct):
    version: str
    config: str


class _Dump(_Head):
    markets: list[Market]
    venues: Venues
    vendors: Vendors


class Engine:
    """A function of its events in order: no clock, no chance, one independent state per (venue, symbol)."""

    def __init__(self, config: EngineConfig | None = None) -> None:
        self.config = config or EngineConfig()
        self._markets: dict[tuple[str, str], Market] = {}
        self._venues = Venues(self.config.cvd.minutes_kept)
        self._vendors = Vendors()

    def apply(self, event: MarketEvent) -> list[Output]:
        """Take one event; return what it caused, in order.

        A vendor's number goes to every market of its symbol that is known, one about everything to all; it makes none,
        and waits for those that come later.
        """
        if isinstance(event, Metric):
            return self._metric(event)
        key = (event.venue, event.symbol)
        market = self._markets.get(key)
        if market is None:
            market = self._markets[key] = Market.new(event.venue, event.symbol, self.config)
            for metric in self._vendors.about(event.symbol):
                market.apply(metric, self.config, self._venues)
        return market.apply(event, self.config, self._venues)

    def _metric(self, metric: Metric) -> list[Output]:
        self._vendors.add(metric)
        outputs: list[Output] = []
        for (_, symbol), market in sorted(self._markets.items()):
            if metric.symbol in {symbol, MARKET_WIDE}:
                outputs += market.apply(metric, self.config, self._venues)
        return outputs

    def forget(self, venue: str, symbol: str) -> None:
        """Drop the state of one market; its next event starts it cold."""
        self._markets.pop((venue, symbol), None)
        self._venues.forget(venue, symbol)

    def closed_ns(self, venue: str, symbol: str) -> int:
        """Return up to when every bar of a market is closed; -1 while none is."""
        market = self._markets.get((venue, symbol))
        return -1 if market is None else market.candles.closed_ns

    def heard_ns(self, venue: str, symbol: str) -> int:
        """Return the event time of a market's newest trade, book or liquidation; -1 while there is none."""
        market = self._markets.get((venue, symbol))
        return -1 if market is None else market.watermark_ns

    def profiles(self, venue: str, symbol: str) -> list[Profile]:
        """Return what a market holds by price now, one of each kind; nothing of a market that is not known."""
        market = self._markets.get((venue, symbol))
        return [] if market is None else profiles(market)

    def counts(self) -> dict[str, int]:
        """Return how often, over all markets, something was dropped or broken: names in ascending order."""
        totals: dict[str, int] = {"metrics_dropped": self._vendors.dropped} if self._vendors.dropped else {}
        for market in self._markets.values():
            for what, number in market.counts.items():
                totals[what] = totals.get(what, 0) + number
        return dict(sorted(totals.items()))

    def dump(self) -> bytes:
        """Return the whole state as MessagePack; equal states give equal bytes."""
        markets = [self._markets[key] for key in sorted(self._markets)]
        return msgspec.msgpack.encode(_Dump(ENGINE_VERSION, self.config.digest(), markets, self._venues, self._vendors))

    @classmethod
    def load(cls, data: bytes, config: EngineConfig | None = None) -> "Engine":
        """Return an engine that goes on where the dumped one stood.

        Raises:
            EngineStateError: `data` is no dump, or one of another engine version or configuration.
        """
        engine = cls(config)
        try:
            head = msgspec.msgpack.decode(data, type=_Head)
            if head.version != ENGINE_VERSION:
                raise EngineStateError(f"the state is of engine version {head.version}, this is {ENGINE_VERSION}")
            digest = engine.config.digest()
            if head.config != digest:
                raise EngineStateError(f"the state is of configuration {head.config}, this is {digest}")
            dump = msgspec.msgpack.decode(data, type=_Dump)
        except msgspec.DecodeError as e:
            raise EngineStateError(f"not a dump of an engine: {e}") from e
        engine._venues, engine._vendors = dump.venues, dump.vendors
        engine._markets = {(market.venue, market.symbol): market for market in dump.markets}
        return engine
