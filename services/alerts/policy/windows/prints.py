"""Large trades of one market in; whale prints, and what large takers did in the last 30 s, out."""

from typing import Final

from msgspec import Struct, field

from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import SECOND_NS, Side, Trade
from libs.common.events.seen import Seen
from services.alerts.policy.windows.rolling import MILLIONTHS, Rolling, Sums, millionths
from services.alerts.policy.windows.tally import Tally
from services.alerts.policy.windows.telling import subject

LARGE_USD: Final = 10_000.0
"""Trades below it are nobody's whale, and were none of the predecessors': they are not looked at any further."""
WHALE_USD: Final = 50_000
"""Trades below it are told in sums only; the least that a shipped template asks for is 200,000."""
WINDOW_NS: Final = 30 * SECOND_NS
_MOST: Final = 4_096
"""Trades of one market that the window remembers."""
_IDS: Final = 4_096
_VALID_S: Final = 300


class Prints(Struct):
    """The window of large trades; side 0 are takers that bought, side 1 those that sold."""

    window: Rolling = field(default_factory=lambda: Rolling(WINDOW_NS, _MOST))
    ids: Seen = field(default_factory=lambda: Seen(_IDS))
    records: dict[int, list[int]] = field(default_factory=dict)
    """By second of the last 30: the largest trade told of each side, millionths."""
    heard_ns: int = -1
    """Time of the last trade of any size."""

    def take(self, event: Trade, group: str | None, tally: Tally) -> tuple[bool, Subject | None]:
        """Count a trade of at least `LARGE_USD`, once; return whether it counted, and the print if it is worth telling.

        Told is what exceeds all that was told of its side in its second, so no threshold is missed.
        """
        amount = millionths(event.notional)
        if amount is None:
            tally.damaged += 1
            return False, None
        if not self.ids.add(event.trade_id):
            tally.repeated += 1
            return False, None
        if event.event_ns <= self.window.now_ns - WINDOW_NS:
            tally.late += 1
            return False, None
        side = 0 if event.side is Side.BUY else 1
        tally.dropped += self.window.add((event.event_ns, amount, side))
        return True, self._print(event, amount, side, group) if amount >= WHALE_USD * MILLIONTHS else None

    def _print(self, event: Trade, amount: int, side: int, group: str | None) -> Subject | None:
        second = event.event_ns // SECOND_NS
        record = self.records.get(second)
        if record is None:
            oldest = (self.window.now_ns - WINDOW_NS) // SECOND_NS
            self.records = {one: told for one, told in self.records.items() if one >= oldest}
            record = self.records[second] = [0, 0]
        if amount <= record[side]:
            return None
        record[side] = amount
        facts: dict[str, Fact] = {"print_usd": amount / MILLIONTHS, "print_side": event.side.value}
        if group is not None:
            facts["cap_group"] = group
        return subject(
            Kind.WHALE,
            (event.venue, event.symbol),
            event.event_ns,
            f"{event.venue}|{event.symbol}|{event.trade_id}",
            facts,
            origin=event.origin,
            valid_s=_VALID_S,
        )


def facts(sums: Sums) -> dict[str, Fact]:
    """Return what the window holds; the dominance is absent where there was no large trade."""
    total = sums.first + sums.second
    told: dict[str, Fact] = {
        "prints_usd_30s": total / MILLIONTHS,
        "prints_buy_usd_30s": sums.first / MILLIONTHS,
        "prints_sell_usd_30s": sums.second / MILLIONTHS,
        "prints_count_30s": float(sums.first_count + sums.second_count),
    }
    if total:
        told["prints_dominance_30s"] = max(sums.first, sums.second) / total
    return told
