"""Liquidations and large trades of one market in; their sums and the predecessors' composites out."""

from typing import Final

from msgspec import Struct, field

from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import Liquidation, Origin, Trade
from services.alerts.policy.windows import liquidations, prints
from services.alerts.policy.windows.groups import GROUPS, cluster, radar, storm
from services.alerts.policy.windows.liquidations import BRIEF_NS, Forced
from services.alerts.policy.windows.prints import Prints
from services.alerts.policy.windows.tally import Tally
from services.alerts.policy.windows.telling import Told, subject

NEVER_NS: Final = 2**63 - 1
_VALID_S: Final = 300


class Burst(Struct):
    """The windows of one market, and when they must be told again although nothing comes."""

    group: str | None
    """Name of the coin's group; None where the market is not quoted in dollars."""
    forced: Forced = field(default_factory=Forced)
    prints: Prints = field(default_factory=Prints)
    told: Told = field(default_factory=Told)
    told_ns: int = -1
    """Of the newest event of either stream: what is told of one key never runs backwards."""
    due_ns: int = NEVER_NS

    def on_liquidation(self, event: Liquidation, tally: Tally) -> list[Subject]:
        """Take a liquidation."""
        if not self.forced.take(event, tally):
            return []
        return self._tell(event.venue, event.symbol, event.origin, self.forced.long.now_ns)

    def on_print(self, event: Trade, tally: Tally) -> list[Subject]:
        """Take a trade of at least `prints.LARGE_USD` on a market that is quoted in dollars."""
        counted, whale = self.prints.take(event, self.group, tally)
        if not counted:
            return []
        told = self._tell(event.venue, event.symbol, event.origin, self.prints.window.now_ns)
        return told if whale is None else [whale, *told]

    def ebb(self, venue: str, symbol: str, origin: Origin, at_ns: int) -> list[Subject]:
        """Tell how things stand 30 s after they were last told, at `due_ns` or later: an end must be heard too."""
        return self._tell(venue, symbol, origin, at_ns)

    def _tell(self, venue: str, symbol: str, origin: Origin, at_ns: int) -> list[Subject]:
        brief, long = self.forced.brief.sums(at_ns), self.forced.long.sums(at_ns)
        large = self.prints.window.sums(at_ns)
        facts: dict[str, Fact] = {}
        flags: list[bool] = []
        if self.forced.heard:
            facts |= liquidations.facts(brief, long, dollars=self.group is not None)
        if self.group is not None:
            group = GROUPS[self.group]
            facts["cap_group"] = group.name
            stormed = storm(group, brief)
            if self.forced.heard:
                facts["storm"] = stormed > 0
            flags.append(stormed > 0)
            if self.prints.heard_ns > at_ns - BRIEF_NS:
                clustered = cluster(group, large)
                composite = radar(group, stormed, clustered)
                facts |= prints.facts(large)
                facts |= {"cluster": clustered > 0, "radar": composite.score, "radar_alarm": composite.alarm}
                flags += [clustered > 0, composite.alarm]
        count = brief.first_count + brief.second_count
        sums = [count, brief.first, brief.second, long.first + long.second, large.first, large.second]
        self.told_ns = max(self.told_ns, at_ns)
        if not self.told.worth(self.told_ns, flags, [brief.largest or 0], sums):
            return []
        self.due_ns = self.told_ns + BRIEF_NS if any(sums) else NEVER_NS
        return [
            subject(
                Kind.LIQUIDATION,
                (venue, symbol),
                self.told_ns,
                f"{venue}|{symbol}",
                facts,
                origin=origin,
                valid_s=_VALID_S,
            )
        ]
