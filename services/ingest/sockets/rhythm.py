"""Gaps between a topic's words in, how long its silence is still its own pace out: a fading histogram. Pure.

A gap lands in one of 110 buckets on a logarithmic scale, so a quantile is known to 9 % in 900 bytes, whatever the
market does. Old gaps fade by halves, so the rhythm follows the hour of the day.
"""

import math
from array import array
from typing import Final

LEAST_S: Final = 2.0
"""No silence shorter than this is a stall."""
MOST_S: Final = 30.0
"""A topic that speaks in most seconds is not waited for longer."""
TIMES: Final = 3.0
"""A stall is a silence of so many times the 99th percentile of the topic's own gaps."""
ENOUGH: Final = 50
"""Gaps that make a rhythm."""
RARE_S: Final = 60.0
"""A topic with such gaps, one in a hundred, tells nothing by silence: the socket's own heartbeat judges it."""
SLOT_S: Final = 0.5
"""Of the gaps that end within that time the longest counts: a burst of a thousand trades is not a thousand gaps."""

_BUSY_S: Final = 1.0
_FADES_AT: Final = 3_600.0
"""Weight at which everything is halved: the busiest topic then remembers half an hour."""
_TAUGHT: Final = 0.02
"""Share of all gaps that one stall counts for: the topic's silence is a part of its rhythm from now on."""
_FINEST_S: Final = 0.05
_STEPS: Final = 8
"""Buckets to a doubling."""
_BUCKETS: Final = 110
"""The last one holds all gaps from ten minutes on."""


class Rhythm:
    """One topic's gaps; survives its connections."""

    __slots__ = ("_counts", "_limit", "_longest", "_seen", "_slot_end", "_stale", "_total")

    def __init__(self) -> None:
        self._counts = array("d", bytes(8 * _BUCKETS))
        self._total = 0.0
        self._seen = 0
        self._longest = 0.0
        self._slot_end = 0.0
        self._limit: float | None = None
        self._stale = False

    @property
    def known(self) -> bool:
        """Whether enough gaps were seen to judge by."""
        return self._seen >= ENOUGH

    @property
    def limit_s(self) -> float | None:
        """Silence beyond which the topic is stalled; None where its rhythm does not say."""
        if self._stale:
            self._stale = False
            self._limit = self._judged()
        return self._limit

    def heard(self, gap_s: float, at_s: float) -> None:
        """Take the gap that ended at `at_s`, a clock that may begin anew with each connection."""
        self._longest = max(self._longest, gap_s)
        if self._slot_end - SLOT_S <= at_s < self._slot_end:
            return
        self._slot_end = at_s + SLOT_S
        self._add(self._longest, 1.0)
        self._longest = 0.0

    def taught(self, silence_s: float) -> None:
        """Take a silence that was judged a stall; the next of its length is none."""
        self._add(silence_s, max(1.0, _TAUGHT * self._total))

    def quantile(self, share: float) -> float:
        """Return the gap that `share` of all are not longer than, rounded up to a bucket's edge; seconds."""
        wanted = share * self._total
        passed = 0.0
        for bucket, count in enumerate(self._counts):
            passed += count
            if count and passed >= wanted:
                return _FINEST_S * 2 ** (bucket / _STEPS)
        return 0.0

    def _judged(self) -> float | None:
        if not self.known:
            return None
        rare = self.quantile(0.99)
        if rare > RARE_S:
            return None
        limit_s = max(TIMES * rare, LEAST_S)
        busy = rare <= MOST_S and self.quantile(0.5) <= _BUSY_S
        return min(limit_s, MOST_S) if busy else limit_s

    def _add(self, gap_s: float, weight: float) -> None:
        place = math.ceil(_STEPS * math.log2(gap_s / _FINEST_S)) if gap_s > _FINEST_S else 0
        self._counts[min(place, _BUCKETS - 1)] += weight
        self._total += weight
        self._seen += 1
        self._stale = True
        if self._total >= _FADES_AT:
            for bucket in range(_BUCKETS):
                self._counts[bucket] /= 2
            self._total /= 2
