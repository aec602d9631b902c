"""Price zones that events of the tape and the book left behind, forgotten when time or price has passed them."""

from msgspec import Struct, field

from libs.common.events import Mark


class Zones(Struct):
    """The newest `most` of them, oldest first."""

    most: int
    life_ns: int
    rows: list[Mark] = field(default_factory=list)

    def add(self, kind: str, prices: tuple[float, float], side: int, strength: float, times: tuple[int, int]) -> None:
        """Remember a zone; `times` are when it formed and when it was known. The same zone again replaces the old."""
        low, high = prices
        self.rows = [row for row in self.rows if (row.kind, row.low, row.high, row.side) != (kind, low, high, side)]
        formed_ns, known_ns = times
        strength = max(0.0, min(1.0, strength))
        mark = Mark(kind=kind, low=low, high=high, side=side, strength=strength, formed_ns=formed_ns, known_ns=known_ns)
        self.rows.append(mark)
        del self.rows[: -self.most]

    def cross(self, price: float) -> None:
        """Forget supports above the price and resistances below it: it went through them."""
        self.rows = [
            row for row in self.rows if not ((row.side > 0 and price < row.low) or (row.side < 0 and price > row.high))
        ]

    def standing(self, as_of_ns: int) -> list[Mark]:
        """Return those that are young enough."""
        return [row for row in self.rows if as_of_ns - row.known_ns <= self.life_ns]
