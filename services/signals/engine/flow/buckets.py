"""Trades in, seconds of the tape out: last price, taker volumes; a bounded run of them."""

from msgspec import Struct, field

from libs.common.events import SECOND_NS


class Bucket(Struct, array_like=True):
    """One second that traded."""

    open_ns: int
    close: float
    bought: float = 0.0
    """Base units, by takers."""
    sold: float = 0.0


class Buckets(Struct):
    """The newest seconds that traded, oldest first. A trade of a second that is over is counted, not used."""

    most: int
    rows: list[Bucket] = field(default_factory=list)
    late: int = 0

    def add(self, at_ns: int, price: float, signed: float) -> bool:
        """Take a trade of `signed` base units; return whether it opened a new second."""
        rows = self.rows
        opened = not rows or at_ns >= rows[-1].open_ns + SECOND_NS
        if opened:
            rows.append(Bucket(at_ns - at_ns % SECOND_NS, price))
            if len(rows) > self.most:
                del rows[0]
        row = rows[-1]
        if at_ns < row.open_ns:
            self.late += 1
            return False
        row.close = price
        if signed > 0:
            row.bought += signed
        else:
            row.sold -= signed
        return opened
