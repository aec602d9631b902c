"""Liquidations of one market in; what was liquidated in the last 30 s and 10 min out."""

from typing import Final

from msgspec import Struct, field

from libs.common.conditions.subjects import Fact
from libs.common.events import MINUTE_NS, SECOND_NS, Liquidation, PositionSide
from services.alerts.policy.windows.rolling import MILLIONTHS, Rolling, Sums, millionths
from services.alerts.policy.windows.tally import Tally

BRIEF_NS: Final = 30 * SECOND_NS
LONG_NS: Final = 10 * MINUTE_NS
_MOST: Final = 4_096
"""Liquidations of one market that a window remembers."""


class Forced(Struct):
    """Both windows; side 0 are longs that were closed, side 1 shorts."""

    brief: Rolling = field(default_factory=lambda: Rolling(BRIEF_NS, _MOST))
    long: Rolling = field(default_factory=lambda: Rolling(LONG_NS, _MOST))

    @property
    def heard(self) -> bool:
        """Whether the market ever told of one: before that, none may mean that its venue does not tell."""
        return self.long.now_ns >= 0

    def take(self, event: Liquidation, tally: Tally) -> bool:
        """Count a liquidation, once: the same time, side and value is the same one; return whether it counted."""
        amount = millionths(event.notional)
        if amount is None:
            tally.damaged += 1
            return False
        row = (event.event_ns, amount, 0 if event.liquidated is PositionSide.LONG else 1)
        if event.event_ns <= self.long.now_ns - LONG_NS:
            tally.late += 1
            return False
        if self.long.holds(row):
            tally.repeated += 1
            return False
        tally.dropped += self.long.add(row)
        if event.event_ns > self.brief.now_ns - BRIEF_NS:
            tally.dropped += self.brief.add(row)
        return True


def facts(brief: Sums, long: Sums, *, dollars: bool) -> dict[str, Fact]:
    """Return what the windows hold; dominance is absent where nothing was liquidated, dollars where none are paid."""
    told: dict[str, Fact] = {"liq_count_30s": float(brief.first_count + brief.second_count)}
    total = brief.first + brief.second
    if total:
        told["liq_dominance_30s"] = max(brief.first, brief.second) / total
    if dollars:
        told["liq_usd_30s"] = total / MILLIONTHS
        told["liq_long_usd_30s"] = brief.first / MILLIONTHS
        told["liq_short_usd_30s"] = brief.second / MILLIONTHS
        told["liq_usd_10m"] = (long.first + long.second) / MILLIONTHS
        if brief.largest is not None:
            told["liq_single_usd"] = brief.largest / MILLIONTHS
    return told
