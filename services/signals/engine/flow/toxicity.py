"""Taker volumes in, VPIN out: DESCRIPTIVE, how one-sided equal portions of volume were; no warning of anything.

Source: Easley, Lopez de Prado, O'Hara (2012), with the venue's own taker sides in place of their bulk classification.
Andersen and Bondarenko (2014, 2015) found nothing in it that volume and volatility do not say.
"""

from collections.abc import Sequence
from math import fsum

from msgspec import Struct, field


def vpin(imbalances: Sequence[float], portion: float) -> float | None:
    """Return sum |Vb - Vs| / (n V), in [0, 1]; None without a full bucket."""
    return min(1.0, fsum(imbalances) / (len(imbalances) * portion)) if imbalances else None


class Toxicity(Struct):
    """Buckets of equal volume; the rest of a trade that fills one opens the next ones.

    The portion V is the volume of the first `learn_ns` of the tape over `learn_buckets`: from the past alone, and then
    left, since n V needs one V. A hole in the tape starts over.
    """

    learn_ns: int
    learn_buckets: int
    most: int
    first_ns: int = -1
    heard: float = 0.0
    portion: float = 0.0
    bought: float = 0.0
    sold: float = 0.0
    imbalances: list[float] = field(default_factory=list)

    def add(self, at_ns: int, signed: float) -> None:
        """Take `signed` base units of a taker."""
        size = abs(signed)
        if self.portion <= 0:
            if self.first_ns < 0:
                self.first_ns = at_ns
            self.heard += size
            if at_ns - self.first_ns >= self.learn_ns:
                self.portion = self.heard / self.learn_buckets
            return
        room = self.portion - self.bought - self.sold
        if size < room:
            if signed > 0:
                self.bought += size
            else:
                self.sold += size
            return
        self._fill(size, room, buy=signed > 0)

    def value(self) -> float | None:
        """Return VPIN over the newest buckets; None until all of them are there."""
        return vpin(self.imbalances, self.portion) if len(self.imbalances) == self.most else None

    def _fill(self, size: float, room: float, *, buy: bool) -> None:
        bought, sold = (self.bought + room, self.sold) if buy else (self.bought, self.sold + room)
        self.imbalances.append(abs(bought - sold))
        size -= room
        whole = min(self.most, int(size / self.portion))
        self.imbalances += [self.portion] * whole
        size = max(0.0, size - int(size / self.portion) * self.portion)
        self.bought, self.sold = (size, 0.0) if buy else (0.0, size)
        del self.imbalances[: max(0, len(self.imbalances) - self.most)]
