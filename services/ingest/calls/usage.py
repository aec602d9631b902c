"""Weights spent and headers of answers in, use of a REST limit out: by us, and by everybody behind our address."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

MINUTE_S: Final = 60
LEAST_PACE: Final = 0.1
"""Share of our budget that stays ours however much others spend: holes must be filled some day."""


class Usage(Struct, frozen=True, kw_only=True):
    """How a venue's REST side is used, now; the fields of a `FeedQuality` that begin with `rest_`."""

    budget_used: float = 0.0
    pace: float = 1.0
    venue_weight: float | None = None
    paused_s: float = 0.0
    in_flight: int = 0
    waiting: int = 0


class Spent:
    """Weight of the last minute, by second."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, float]] = deque()

    def add(self, weight: float, now_s: float) -> None:
        """Note that `weight` was spent now; time never goes back."""
        second = int(now_s)
        if self._seconds and self._seconds[-1][0] == second:
            weight += self._seconds.pop()[1]
        self._seconds.append((second, weight))
        self._trim(second)

    def total(self, now_s: float) -> float:
        """Return the weight of the last minute."""
        self._trim(int(now_s))
        return sum(weight for _, weight in self._seconds)

    def _trim(self, second: int) -> None:
        while self._seconds and self._seconds[0][0] <= second - MINUTE_S:
            self._seconds.popleft()


class Said(Struct, frozen=True):
    """What a venue says of our use of its limit."""

    weight: float
    """Spent in the window it counts."""
    of_minute: bool
    """The window is the running minute and counts all calls of our address; else it is one endpoint's."""


def said_by(headers: Mapping[str, str]) -> Said | None:
    """Read the headers of an answer; None where the venue says nothing, or nothing readable.

    Binance counts the weight of an address by the minute (`X-MBX-USED-WEIGHT-1M`). Bybit tells an endpoint's limit
    and what is left of it (`X-Bapi-Limit`, `X-Bapi-Limit-Status`). OKX tells nothing.
    """
    try:
        if minute := headers.get("x-mbx-used-weight-1m"):
            return Said(float(int(minute)), of_minute=True)
        limit, left = headers.get("x-bapi-limit"), headers.get("x-bapi-limit-status")
        return Said(float(int(limit) - int(left)), of_minute=False) if limit and left else None
    except ValueError:  # a header of another form tells nothing
        return None


class Neighbours:
    """Notices that others spend the venue's limit from our address, and what that leaves to us.

    A budget is meant as at most half of the venue's limit (docs/operations.md): the other half is theirs. What they
    spend beyond it is taken off ours. Our own part is counted over sixty seconds, the venue's over its running
    minute, so that ours is never taken for somebody else's.
    """

    def __init__(self, per_minute: float) -> None:
        self._per_minute = per_minute
        self._said: float | None = None
        self._others = 0.0
        self._at = 0.0

    def hear(self, weight: float, ours: float, now_s: float) -> None:
        """Take the venue's count for the running minute, and ours for the last sixty seconds."""
        self._said, self._others, self._at = weight, max(weight - ours, 0.0), now_s

    def weight(self, now_s: float) -> float | None:
        """Return the venue's count; None once its minute is over."""
        return self._said if now_s - self._at < MINUTE_S else None

    def pace(self, now_s: float) -> float:
        """Return the share of our budget that may be spent: 1 while they leave it to us."""
        if self.weight(now_s) is None:
            return 1.0
        left = 2 * self._per_minute - self._others
        return min(max(left / self._per_minute, LEAST_PACE), 1.0)
