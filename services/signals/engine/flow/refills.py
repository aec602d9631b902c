"""The best level of one side and what takers take there in, hints of hidden size out."""

from msgspec import Struct


class Queue(Struct):
    """One price for as long as it is the best of its side. A hint, not a fact: others may join the queue as well."""

    price: float
    shown: float
    """Base units displayed now."""
    most: float
    """The most displayed so far."""
    since_ns: int
    taken: float = 0.0
    """Base units that takers took at this price."""
    owed: float = 0.0
    """Taken since the display last rose."""
    refills: int = 0
    """How often the display rose after something was taken."""
    told: bool = False

    def show(self, size: float) -> None:
        """Take the size displayed now."""
        if size > self.shown and self.owed > 0:
            self.refills += 1
            self.owed = 0.0
        self.shown = size
        self.most = max(self.most, size)

    def take(self, size: float) -> None:
        """Take what a taker took at this price."""
        self.taken += size
        self.owed += size

    def hides(self, factor: float, refills: int) -> bool:
        """Tell whether more was taken than was ever shown, by `factor`, while the level stood and was refilled."""
        return self.refills >= refills and self.taken >= factor * self.most
