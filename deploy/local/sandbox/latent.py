"""An asset's unseen fair value: a seed in, one price each slice out, through trends, ranges and volatile phases."""

import hashlib
import math
from enum import StrEnum, unique
from random import Random
from typing import Final

SLICE_NS: Final = 50_000_000
"""The market's time step."""
SLICES_PER_MINUTE: Final = 1200
SIGMA_PER_MINUTE: Final = 0.0004
"""Standard deviation of a minute's log return in a calm phase."""


def chance(*parts: object) -> Random:
    """Return a generator of its own for what `parts` name, equal for equal parts on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return Random(int.from_bytes(digest[:8], "big"))  # noqa: S311 -- a simulated market must be reproducible, not secret


@unique
class Phase(StrEnum):
    """What the market is doing."""

    UP = "up"
    DOWN = "down"
    RANGE = "range"
    VOLATILE = "volatile"


_SIGMA = {Phase.UP: 1.0, Phase.DOWN: 1.0, Phase.RANGE: 0.8, Phase.VOLATILE: 4.0}
"""In units of `SIGMA_PER_MINUTE`."""
_DRIFT = {Phase.UP: 0.0007, Phase.DOWN: -0.0007, Phase.RANGE: 0.0, Phase.VOLATILE: 0.0}
"""Log return a minute."""


class Latent:
    """The fair value of one asset; every market of that asset, on every venue, follows it."""

    def __init__(self, seed: int, asset: str, price: float) -> None:
        self._chance = chance(seed, "latent", asset)
        self._start = self._log = self._anchor = math.log(price)
        self.phase = Phase.RANGE
        self._left = 0
        self.price = price

    def step(self) -> float:
        """Move one slice on and return the price."""
        if not self._left:
            self._turn()
        self._left -= 1
        sigma = _SIGMA[self.phase] * SIGMA_PER_MINUTE / math.sqrt(SLICES_PER_MINUTE)
        self._log += _DRIFT[self.phase] / SLICES_PER_MINUTE + self._chance.gauss(0.0, sigma)
        if self.phase is Phase.RANGE:
            self._log += (self._anchor - self._log) * 0.5 / SLICES_PER_MINUTE
        self.price = math.exp(self._log)
        return self.price

    def _turn(self) -> None:
        # far from the start the market prefers to come back, so that days of running stay plausible
        up = min(0.9, max(0.1, 0.5 - 5.0 * (self._log - self._start)))
        trend = Phase.UP if self._chance.random() < up else Phase.DOWN
        self.phase = self._chance.choices((trend, Phase.RANGE, Phase.VOLATILE), (0.5, 0.3, 0.2))[0]
        self._anchor = self._log
        self._left = int(self._chance.uniform(1.5, 6.0) * SLICES_PER_MINUTE)
