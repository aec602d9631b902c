"""Bybit v5 rows of every topic but the books in, market events out. Pure."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Raw, structs

from libs.common.events import FundingRate, Liquidation, MarkPrice, OpenInterest, Origin, PositionSide, Side, Trade
from services.ingest.venues import bybit_wire as wire
from services.ingest.venues.bybit_wire import INVERSE, LINEAR, SPOT, VENUE
from services.ingest.venues.terms import Checks, Instrument, Item
from services.ingest.venues.wire import (
    UNREADABLE,
    Stamp,
    UnknownInstrumentError,
    base_size,
    nanos,
    positive,
    rate,
    rejected,
    unreadable,
)

_Reader: TypeAlias = Callable[[Raw, int, int], list[Item]]
"""(row, event_ns of the frame, received_ns)."""

_LOST = {"Buy": PositionSide.LONG, "Sell": PositionSide.SHORT}


class Rows:
    """Reads rows one by one; of each ticker it remembers what later frames leave out."""

    def __init__(
        self,
        category: str,
        instruments: Mapping[str, Instrument],
        wanted: frozenset[str],
        origin: Origin,
        checks: Checks,
    ) -> None:
        """Take what names are worth.

        Args:
            category: of the connection; empty where a recording does not say to which address it was made.
            instruments: by category and name.
            wanted: canonical symbols, none means all.
            origin: for the events.
            checks: counters, shared with the session.
        """
        self._category = category
        self._instruments = instruments
        self._wanted = wanted
        self._origin = origin
        self._checks = checks
        self._tickers: dict[str, wire.Ticker] = {}
        self._readers: dict[str, _Reader] = {
            "publicTrade": self._trade,
            "allLiquidation": self._closing,
            "liquidation": self._old_closing,
            "tickers": self._ticker,
        }

    def reads(self, channel: str) -> bool:
        """Return whether rows of `channel` are read here."""
        return channel in self._readers

    def read(self, channel: str, row: Raw, event_ns: int, received_ns: int) -> list[Item]:
        """Read one row of a channel that `reads` knows; what is wrong with it stays its own matter."""
        try:
            return self._readers[channel](row, event_ns, received_ns)
        except UNREADABLE as e:
            return [unreadable(e, bytes(row))]
        except UnknownInstrumentError as e:
            return [rejected("unknown_instrument", str(e), bytes(row))]

    def find(self, name: str, *categories: str) -> Instrument | None:
        """Return the instrument; None where nobody asked for it.

        Args:
            name: the venue's.
            categories: where it may be from, for a connection that does not say.

        Raises:
            UnknownInstrumentError: the venue's catalogue does not have it, or nothing says which one it is.
        """
        for category in (self._category,) if self._category else categories:
            instrument = self._instruments.get(wire.native(category, name))
            if instrument is not None:
                return instrument if not self._wanted or instrument.symbol in self._wanted else None
        where = self._category or " or ".join(categories) or "an unknown address: spot or a contract"
        raise UnknownInstrumentError(f"{name} ({where})")

    def _contract(self, name: str) -> Instrument | None:
        return self.find(name, LINEAR, INVERSE)

    def _stamp(self, instrument: Instrument, event_ms: int, received_ns: int) -> Stamp:
        return Stamp(
            venue=VENUE,
            symbol=instrument.symbol,
            event_ns=nanos(event_ms),
            received_ns=received_ns,
            origin=self._origin,
        )

    def _trade(self, row: Raw, _: int, received_ns: int) -> list[Item]:
        trade = wire.decode_trade(row)
        instrument = self.find(trade.native, SPOT) if trade.id.isdigit() else self._contract(trade.native)
        if instrument is None:
            return []
        if trade.block:
            self._checks.non_market += 1
            return []
        return [
            Trade(
                **self._stamp(instrument, trade.event_ms, received_ns),
                price=trade.price,
                size=base_size(instrument, trade.size, trade.price),
                side=Side(trade.side.lower()),
                trade_id=trade.id,
            )
        ]

    def _closing(self, row: Raw, _: int, received_ns: int) -> list[Item]:
        return self._liquidation(wire.decode_closing(row), received_ns)

    def _old_closing(self, row: Raw, _: int, received_ns: int) -> list[Item]:
        return self._liquidation(wire.decode_old_closing(row), received_ns)

    def _liquidation(self, closing: wire.Closing | wire.OldClosing, received_ns: int) -> list[Item]:
        instrument = self._contract(closing.native)
        if instrument is None:
            return []
        return [
            Liquidation(
                **self._stamp(instrument, closing.event_ms, received_ns),
                price=closing.price,
                size=base_size(instrument, closing.size, closing.price),
                liquidated=_LOST[closing.side],
            )
        ]

    def _ticker(self, row: Raw, event_ns: int, received_ns: int) -> list[Item]:
        said = wire.decode_ticker(row)
        instrument = self._contract(said.native)
        if instrument is None:
            return []
        if not event_ns:
            return [rejected("value", "a ticker without its time", bytes(row))]
        known = self._tickers.get(said.native, said)
        news = {name: value for name, value in structs.asdict(said).items() if value is not None}
        ticker = structs.replace(known, **news)
        items = [
            *self._mark(instrument, said, ticker, event_ns, received_ns),
            *self._funding(instrument, said, ticker, event_ns, received_ns),
            *self._interest(instrument, said, ticker, event_ns, received_ns),
        ]
        self._tickers[said.native] = ticker
        return items

    def forget(self, name: str) -> None:
        """Forget a ticker: a whole one follows."""
        self._tickers.pop(name, None)

    def _mark(
        self, instrument: Instrument, said: wire.Ticker, ticker: wire.Ticker, event_ns: int, received_ns: int
    ) -> list[Item]:
        if not (said.mark or said.index) or not ticker.mark:
            return []
        return [
            MarkPrice(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=event_ns,
                received_ns=received_ns,
                origin=self._origin,
                price=positive(ticker.mark),
                index_price=positive(ticker.index) if ticker.index else None,
            )
        ]

    def _funding(
        self, instrument: Instrument, said: wire.Ticker, ticker: wire.Ticker, event_ns: int, received_ns: int
    ) -> list[Item]:
        if not (said.rate or said.next_ms or said.interval_h) or not ticker.rate:
            return []
        next_ms = wire.settlement_ms(ticker.next_ms) if ticker.next_ms else 0
        return [
            FundingRate(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=event_ns,
                received_ns=received_ns,
                origin=self._origin,
                rate=rate(ticker.rate),
                interval_s=wire.hours(ticker.interval_h) * 3600 if ticker.interval_h else None,
                next_funding_ns=nanos(next_ms) if next_ms else None,
            )
        ]

    def _interest(
        self, instrument: Instrument, said: wire.Ticker, ticker: wire.Ticker, event_ns: int, received_ns: int
    ) -> list[Item]:
        """Count one side: the venue says it since 2026-06, before that half of both."""
        if not (said.one_side or said.both_sides):
            return []
        held = _one_side(ticker.one_side, ticker.both_sides)
        worth = _one_side(ticker.one_side_value, ticker.both_sides_value)
        return [
            OpenInterest(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=event_ns,
                received_ns=received_ns,
                origin=self._origin,
                contracts=held if instrument.inverse else None,
                base=worth if instrument.inverse else held,
                notional=held if instrument.inverse else worth,
            )
        ]


def _one_side(single: str | None, both: str | None) -> float | None:
    if single:
        return wire.amount(single)
    return wire.amount(both) / 2 if both else None
