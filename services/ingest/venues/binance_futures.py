"""Binance futures by REST, what USD-M and COIN-M share: an instrument in, its open interest out. Pure."""

from libs.common.events import OpenInterest, Origin
from services.ingest.venues.binance import Binance
from services.ingest.venues.binance_figures import held
from services.ingest.venues.terms import Instrument, Request


class BinanceFutures(Binance):
    """Open interest is asked for: no stream says it."""

    def open_interest_request(self, instrument: Instrument) -> Request:
        """Return the call, of weight 1."""
        return self._request("openInterest", instrument, "", 1)

    def open_interest(self, instrument: Instrument, body: bytes, received_ns: int, origin: Origin) -> OpenInterest:
        """Read the answer: base units, or inverse contracts and their dollars; what would need a price is absent."""
        amount, event_ns = held(self.name, instrument, body)
        return OpenInterest(
            venue=self.name,
            symbol=instrument.symbol,
            event_ns=event_ns,
            received_ns=received_ns,
            origin=origin,
            contracts=amount if instrument.inverse else None,
            base=None if instrument.inverse else amount,
            notional=amount * instrument.contract_size if instrument.inverse else None,
        )
