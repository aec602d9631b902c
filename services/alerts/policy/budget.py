"""What a subscriber was told within the last hour and what came in; what is told alone, and what rolls up, out. Pure.

A bucket of `per_h` tokens, each of which comes back one hour after it was spent: so within no hour does anybody hear
more than `per_h` messages that are not critical, whatever came before. A bucket that refills steadily would let twice
as many through. A critical one always takes a token, into debt too: up to `per_h` more are remembered.
"""

from collections.abc import Sequence
from enum import StrEnum, unique
from typing import Final

from msgspec import Struct

from libs.common.events import HOUR_NS, SECOND_NS, Severity

CRITICAL_ALONE: Final = 10
"""When more critical ones come at once, and more than a burst is, the others of them are told in one message."""
BURST_NS: Final = 2 * SECOND_NS
"""What comes within so long comes at once."""


class Limits(Struct, frozen=True, kw_only=True):
    """What a recipient who did not say hears at most."""

    per_h: int = 20
    """Messages within any hour; 0: as many as come, each by itself."""
    burst: int = 5
    """When more than so many that are not critical come at once, all of these roll up."""


@unique
class Way(StrEnum):
    """How something is told."""

    ALONE = "alone"
    ROLL_UP = "roll_up"
    """In a digest: of critical ones at once, of others when it is due."""


class Bucket(Struct, frozen=True):
    """The tokens of one subscriber that are out."""

    spent_ns: tuple[int, ...] = ()
    """When, ascending; at most 2 x `per_h`."""

    def left(self, per_h: int, now_ns: int) -> int:
        """Return how many tokens there are; below 0 in debt."""
        return per_h - len(self._out(now_ns))

    def spend(self, per_h: int, now_ns: int) -> "Bucket":
        """Take one token, into debt if need be; beyond a debt of `per_h` the oldest is forgotten."""
        return Bucket(tuple(sorted((*self._out(now_ns), now_ns)))[-2 * per_h :])

    def next_ns(self, per_h: int, now_ns: int) -> int:
        """Return when the next token can be had without debt: now, or when enough have come back."""
        out = self._out(now_ns)
        return now_ns if len(out) < per_h else out[len(out) - per_h] + HOUR_NS

    def recent(self, now_ns: int) -> int:
        """Return how many were spent within the last two seconds."""
        return sum(at_ns > now_ns - BURST_NS for at_ns in self._out(now_ns))

    def _out(self, now_ns: int) -> list[int]:
        """Return what has not come back; a token spent in the future (the clock was set back) was spent now."""
        return [min(at_ns, now_ns) for at_ns in self.spent_ns if at_ns > now_ns - HOUR_NS]


def apportion(
    wants: Sequence[Severity], bucket: Bucket, *, limits: Limits, now_ns: int
) -> tuple[tuple[Way, ...], Bucket]:
    """Return for each of `wants`, which came at once for one subscriber, how it is told, and the bucket afterwards.

    What was told within the last two seconds counts as having come at once as well. The last token is left to a
    digest, which is not in it: who writes one takes its token by `Bucket.spend`.
    """
    if not limits.per_h:
        return (Way.ALONE,) * len(wants), bucket
    per_h, kept = limits.per_h, 1 if limits.per_h > 1 else 0
    before = bucket.recent(now_ns)
    ways = [Way.ROLL_UP] * len(wants)
    critical = [at for at, one in enumerate(wants) if one is Severity.CRITICAL]
    others = [at for at, one in enumerate(wants) if one is not Severity.CRITICAL]
    for at in critical[: max(0, max(CRITICAL_ALONE, limits.burst) - before)]:
        ways[at] = Way.ALONE
        bucket = bucket.spend(per_h, now_ns)
    for at in others if before + len(others) <= limits.burst else ():
        if bucket.left(per_h, now_ns) > kept:
            ways[at] = Way.ALONE
            bucket = bucket.spend(per_h, now_ns)
    return tuple(ways), bucket
