"""Every trade of one market: fills in, prints and their fills by id, by time and newest first out."""

from bisect import bisect_left

from msgspec import Struct


class Fill(Struct, frozen=True):
    """One trade between a taker and one maker."""

    trade_id: int
    print_id: int
    price: int
    lots: int
    buy: bool
    """The taker bought."""
    ms: int
    market: bool = True
    """False for an insurance-fund or deleveraging fill, which no candle counts."""


class Print(Struct, frozen=True):
    """One taker order's fills at one price: Binance's aggregate trade, one row of OKX's `trades`."""

    print_id: int
    fills: tuple[Fill, ...]

    @property
    def lots(self) -> int:
        """Size of all fills."""
        return sum(fill.lots for fill in self.fills)


class Liquidated(Struct, frozen=True):
    """A forced order."""

    liquidation_id: int
    buy: bool
    """The forced order bought: a short was liquidated."""
    price: int
    """Bankruptcy price, ticks."""
    average: float
    """Mean fill price, ticks."""
    lots: int
    ms: int


class Tape:
    """The trades so far, oldest first; past `keep` fills the oldest half is forgotten, and counted."""

    def __init__(self, keep: int = 2_000_000) -> None:
        self._keep = keep
        self.fills: list[Fill] = []
        self.prints: list[Print] = []
        self.forgotten = 0

    def add(self, one: Print) -> None:
        """Append one print."""
        self.prints.append(one)
        self.fills.extend(one.fills)
        if len(self.fills) > self._keep:
            half = len(self.prints) // 2
            gone = sum(len(old.fills) for old in self.prints[:half])
            del self.prints[:half]
            del self.fills[:gone]
            self.forgotten += gone

    def fills_from(self, trade_id: int, limit: int) -> list[Fill]:
        """Return up to `limit` fills with an id of at least `trade_id`, oldest first."""
        at = bisect_left(self.fills, trade_id, key=lambda fill: fill.trade_id)
        return self.fills[at : at + limit]

    def fills_before(self, trade_id: int, limit: int) -> list[Fill]:
        """Return the newest `limit` fills with an id below `trade_id`, oldest first."""
        at = bisect_left(self.fills, trade_id, key=lambda fill: fill.trade_id)
        return self.fills[max(0, at - limit) : at]

    def prints_from(self, print_id: int, limit: int) -> list[Print]:
        """Return up to `limit` prints with an id of at least `print_id`, oldest first."""
        at = bisect_left(self.prints, print_id, key=lambda one: one.print_id)
        return self.prints[at : at + limit]

    def prints_since(self, ms: int) -> list[Print]:
        """Return the prints at or after `ms`, oldest first."""
        at = bisect_left(self.prints, ms, key=lambda one: one.fills[0].ms)
        return self.prints[at:]
