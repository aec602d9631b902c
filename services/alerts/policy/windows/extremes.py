"""Funding rates and open interest of one market in; how extreme they are among their own seven days out."""

from math import isfinite
from typing import Final

from msgspec import Struct, field

from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import HOUR_NS, MINUTE_NS, SECOND_NS, FundingRate, OpenInterest
from services.alerts.policy.windows.ranks import Ranks
from services.alerts.policy.windows.tally import Tally
from services.alerts.policy.windows.telling import subject

_EIGHT_HOURS_S: Final = 28_800
_BPS: Final = 10_000.0
_TELL_NS: Final = MINUTE_NS
"""What stays as it is, is told again after a minute: a rule with `for` must see that it lasts."""
_HOUR_TOLERANCE_NS: Final = 10 * MINUTE_NS
_SEEN_NS: Final = 10 * MINUTE_NS
_VALID_S: Final = 900


class Pulse(Struct):
    """Tells a state when it changes, at most once a second, and every minute anyway."""

    at_ns: int = -1
    value: float = 0.0

    def worth(self, at_ns: int, value: float) -> bool:
        """Return whether to tell the state, and remember that it is done."""
        again = at_ns >= self.at_ns + _TELL_NS
        changed = value != self.value and at_ns // SECOND_NS > self.at_ns // SECOND_NS
        if not (self.at_ns < 0 or again or changed):
            return False
        self.at_ns, self.value = at_ns, value
        return True


class Funding(Struct):
    """What longs pay: ranked per eight hours where the venue says its interval, else as it is."""

    ranks: Ranks = field(default_factory=Ranks)
    normal: bool = False
    """Whether the samples are of eight hours."""
    settles_ns: int = 0
    """When the venue settles next, as it said; 0 before it did."""
    seen_s: float | None = None
    """Between two settlements, where the venue passed from one to the next before our eyes."""
    pulse: Pulse = field(default_factory=Pulse)

    def take(self, event: FundingRate, tally: Tally) -> list[Subject]:
        """Take a rate; the samples are given up when the venue begins or ceases to say its interval."""
        if not isfinite(event.rate):
            tally.damaged += 1
            return []
        if event.event_ns < self.ranks.at_ns:
            tally.late += 1
            return []
        interval_s = self._interval_s(event)
        normal = interval_s is not None
        value = event.rate if interval_s is None else event.rate * (_EIGHT_HOURS_S / interval_s)
        if normal is not self.normal:
            tally.restarted += self.ranks.at_ns >= 0
            self.ranks, self.normal = Ranks(), normal
        self.ranks.add(event.event_ns, value)
        if not self.pulse.worth(event.event_ns, value):
            return []
        facts: dict[str, Fact] = {"funding_rate": event.rate}
        if normal:
            facts["funding_bps_8h"] = value * _BPS
        rank = self.ranks.rank()
        if rank is not None:
            facts["funding_rank"] = rank
        return [_told(Kind.FUNDING, event, facts)]

    def _interval_s(self, event: FundingRate) -> float | None:
        """Return the interval that the venue says, else the one between its last two times of settlement.

        Only a change that is seen within minutes of a settlement counts: after a longer silence one may be missing.
        """
        settled_ns, self.settles_ns = self.settles_ns, event.next_funding_ns or self.settles_ns
        if 0 < settled_ns < self.settles_ns:
            passed_ns = event.event_ns - settled_ns
            self.seen_s = (self.settles_ns - settled_ns) / SECOND_NS if 0 <= passed_ns < _SEEN_NS else None
        said_s = event.interval_s
        return float(said_s) if said_s is not None and said_s > 0 else self.seen_s


class Interest(Struct):
    """Open positions, in one measure: coins, else contracts, else money, whose changes are partly the price's."""

    ranks: Ranks = field(default_factory=Ranks)
    measure: str = ""
    pulse: Pulse = field(default_factory=Pulse)

    def take(self, event: OpenInterest, tally: Tally) -> list[Subject]:
        """Take open interest; samples of another measure are given up."""
        measures = (("base", event.base), ("contracts", event.contracts), ("notional", event.notional))
        said = [(name, value) for name, value in measures if value is not None and isfinite(value) and value > 0]
        if not said:
            tally.damaged += 1
            return []
        if event.event_ns < self.ranks.at_ns:
            tally.late += 1
            return []
        measure, value = said[0]
        if measure != self.measure:
            tally.restarted += bool(self.measure)
            self.ranks, self.measure = Ranks(), measure
        self.ranks.add(event.event_ns, value)
        if not self.pulse.worth(event.event_ns, value):
            return []
        facts: dict[str, Fact] = {}
        before, rank = self.ranks.before(HOUR_NS, _HOUR_TOLERANCE_NS), self.ranks.rank()
        if before is not None:
            facts["oi_change_1h"] = value / before - 1.0
        if rank is not None:
            facts["oi_rank"] = rank
        return [_told(Kind.OPEN_INTEREST, event, facts)] if facts else []


def _told(kind: Kind, event: FundingRate | OpenInterest, facts: dict[str, Fact]) -> Subject:
    return subject(
        kind,
        (event.venue, event.symbol),
        event.event_ns,
        f"{event.venue}|{event.symbol}",
        facts,
        origin=event.origin,
        valid_s=_VALID_S,
    )
