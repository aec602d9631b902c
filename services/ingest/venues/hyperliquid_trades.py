"""Rows of Hyperliquid's trades in, of the socket or of REST; trades out, oldest first. Pure."""

from collections.abc import Sequence

from libs.common.events import Origin, Side, Trade
from services.ingest.venues import hyperliquid_wire as wire
from services.ingest.venues.hyperliquid_wire import VENUE
from services.ingest.venues.terms import Instrument
from services.ingest.venues.wire import nanos

_SIDES = {"B": Side.BUY, "A": Side.SELL}


def fact(row: wire.Trade, instrument: Instrument, received_ns: int, origin: Origin) -> Trade:
    """Return the trade of a row."""
    return Trade(
        venue=VENUE,
        symbol=instrument.symbol,
        event_ns=nanos(row.event_ms),
        received_ns=received_ns,
        origin=origin,
        price=row.price,
        size=row.size * instrument.contract_size,
        side=_SIDES[row.side],
        trade_id=wire.trade_id(row),
    )


def oldest_first(rows: Sequence[Trade]) -> list[Trade]:
    """Return trades by time; those of one block in the order of the rows, or against it where the newest come first."""
    turned = bool(rows) and rows[0].event_ns > rows[-1].event_ns
    return sorted(reversed(rows) if turned else rows, key=lambda trade: trade.event_ns)
