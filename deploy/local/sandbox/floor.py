"""Which markets are open: a venue, a symbol and a standing in; the exchange and the simulation put right out."""

from collections.abc import Sequence

from deploy.local.sandbox.exchange import Exchange
from deploy.local.sandbox.listings import Listing
from deploy.local.sandbox.shown import Shown, Standing
from deploy.local.sandbox.simulation import Simulation


class Floor:
    """Lists, halts and delists markets while the sandbox runs."""

    def __init__(self, simulation: Simulation, exchanges: Sequence[Exchange], known: Sequence[Listing]) -> None:
        """`known` are the markets that can be listed, besides those that are."""
        self._simulation = simulation
        self._exchanges = {exchange.name: exchange for exchange in exchanges}
        self._known = {(row.venue, row.symbol): row for row in known}

    def put(self, venue: str, symbol: str, standing: Standing) -> None:
        """Give a market its standing; one that is listed for the first time has no past.

        Raises:
            KeyError: there is no such venue, or no such market and none that could be listed.
        """
        if venue not in self._exchanges:
            raise KeyError(f"no venue {venue}: one of {', '.join(self._exchanges)}")
        exchange = self._exchanges[venue]
        market = self._find(exchange, symbol)
        if market is None:
            row = self._known.get((venue, symbol))
            if row is None or standing is Standing.DELISTED:
                raise KeyError(f"no market {symbol} on {venue}, and none such that could be listed")
            market = self._simulation.open(row)
        market.standing = standing
        native = market.listing.native
        if standing is Standing.DELISTED:
            if native in exchange.markets:
                exchange.drop(market)
        elif native not in exchange.markets:
            exchange.add(market)

    @staticmethod
    def _find(exchange: Exchange, symbol: str) -> Shown | None:
        every = (*exchange.markets.values(), *exchange.gone.values())
        return next((market for market in every if market.listing.symbol == symbol), None)
