"""OKX v5 rows of every channel but the books in, market events out. Pure."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Raw

from libs.common.events import (
    FundingRate,
    Gap,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Origin,
    PositionSide,
    Side,
    Trade,
)
from services.ingest.venues import okx_wire as wire
from services.ingest.venues.okx_wire import VENUE
from services.ingest.venues.terms import Instrument, Item, Stream
from services.ingest.venues.wire import (
    UNREADABLE,
    Stamp,
    UnknownInstrumentError,
    base_size,
    nanos,
    rate,
    rejected,
    unreadable,
)

_Reader: TypeAlias = Callable[[Raw, int], list[Item]]


class Rows:
    """Reads rows one by one; of each market it remembers the newest trade, to see what an aggregate left out."""

    def __init__(self, instruments: Mapping[str, Instrument], wanted: frozenset[str], origin: Origin) -> None:
        """`instruments` by the venue's own names; `wanted` are canonical symbols, none means all."""
        self._instruments = instruments
        self._wanted = wanted
        self._origin = origin
        self._last_trades: dict[str, Trade] = {}
        self._readers: dict[str, _Reader] = {
            "trades": self._trade,
            "liquidation-orders": self._liquidations,
            "mark-price": self._mark,
            "funding-rate": self._funding,
            "open-interest": self._interest,
        }

    def reads(self, channel: str) -> bool:
        """Return whether rows of `channel` are read here."""
        return channel in self._readers

    def read(self, channel: str, row: Raw, received_ns: int) -> list[Item]:
        """Read one row of a channel that `reads` knows."""
        return self._read(self._readers[channel], row, received_ns)

    def find(self, native: str) -> Instrument | None:
        """Return the instrument; None where nobody asked for it.

        Raises:
            UnknownInstrumentError: the venue's catalogue does not have it.
        """
        instrument = self._instruments.get(native)
        if instrument is None:
            raise UnknownInstrumentError(native)
        return instrument if not self._wanted or instrument.symbol in self._wanted else None

    def _read(self, read: _Reader, row: Raw, received_ns: int) -> list[Item]:
        """Read one row; what is wrong with it stays its own matter."""
        try:
            return read(row, received_ns)
        except UNREADABLE as e:
            return [unreadable(e, bytes(row))]
        except UnknownInstrumentError as e:
            return [rejected("unknown_instrument", str(e), bytes(row))]

    def _stamp(self, instrument: Instrument, event_ms: int, received_ns: int) -> Stamp:
        return Stamp(
            venue=VENUE,
            symbol=instrument.symbol,
            event_ns=nanos(event_ms),
            received_ns=received_ns,
            origin=self._origin,
        )

    def _trade(self, row: Raw, received_ns: int) -> list[Item]:
        trade = wire.decode_trade(row)
        instrument = self.find(trade.native)
        if instrument is None:
            return []
        event = Trade(
            **self._stamp(instrument, trade.event_ms, received_ns),
            price=trade.price,
            size=base_size(instrument, trade.size, trade.price),
            side=Side(trade.side),
            trade_id=trade.id,
        )
        return [*self._missing(event, trade.count), event]

    def _missing(self, trade: Trade, count: int | None) -> list[Item]:
        """Return the hole before `trade`, an aggregate of the `count` executions whose ids end at its own."""
        last = self._last_trades.get(trade.symbol)
        if last is None or int(trade.trade_id) > int(last.trade_id):
            self._last_trades[trade.symbol] = trade
        if last is None or count is None or int(trade.trade_id) - count <= int(last.trade_id):
            return []
        return [
            Gap(
                venue=VENUE,
                symbol=trade.symbol,
                event_ns=trade.event_ns,
                received_ns=trade.received_ns,
                origin=self._origin,
                stream=Stream.TRADES.value,
                from_ns=last.event_ns,
                to_ns=trade.event_ns,
                cause="sequence",
                first_missing=str(int(last.trade_id) + 1),
                last_missing=str(int(trade.trade_id) - count),
            )
        ]

    def _liquidations(self, row: Raw, received_ns: int) -> list[Item]:
        """The channel speaks of every instrument of a kind; those nobody asked for are passed over."""
        closings = wire.decode_liquidations(row)
        if self._wanted and closings.native not in self._instruments:
            return []
        instrument = self.find(closings.native)
        if instrument is None:
            return []
        return [
            item
            for detail in closings.details
            for item in self._read(lambda raw, at: [self._closing(instrument, raw, at)], detail, received_ns)
        ]

    def _closing(self, instrument: Instrument, row: Raw, received_ns: int) -> Liquidation:
        closing = wire.decode_closing(row)
        return Liquidation(
            **self._stamp(instrument, closing.event_ms, received_ns),
            price=closing.price,
            size=base_size(instrument, closing.size, closing.price),
            liquidated=PositionSide.SHORT if closing.side == "buy" else PositionSide.LONG,
        )

    def _mark(self, row: Raw, received_ns: int) -> list[Item]:
        mark = wire.decode_mark(row)
        instrument = self.find(mark.native)
        if instrument is None:
            return []
        return [
            MarkPrice(
                **self._stamp(instrument, mark.event_ms, received_ns),
                price=mark.price,
            )
        ]

    def _funding(self, row: Raw, received_ns: int) -> list[Item]:
        funding = wire.decode_funding(row)
        instrument = self.find(funding.native)
        if instrument is None:
            return []
        event_ns = nanos(funding.event_ms) if funding.event_ms else received_ns
        if not funding.rate or not event_ns:
            return [rejected("value", "a funding rate without rate or time", bytes(row))]
        after_ms = wire.millis(funding.after_ms) if funding.after_ms else None
        return [
            FundingRate(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=event_ns,
                received_ns=received_ns,
                origin=self._origin,
                rate=rate(funding.rate),
                interval_s=(after_ms - funding.settles_ms) // 1000 if after_ms else None,
                next_funding_ns=nanos(funding.settles_ms),
            )
        ]

    def _interest(self, row: Raw, received_ns: int) -> list[Item]:
        interest = wire.decode_interest(row)
        instrument = self.find(interest.native)
        if instrument is None:
            return []
        return [
            OpenInterest(
                **self._stamp(instrument, interest.event_ms, received_ns),
                contracts=interest.contracts,
                base=interest.coins,
                notional=interest.dollars if instrument.kind.quote == "USD" else None,  # dollars are no tethers
            )
        ]
