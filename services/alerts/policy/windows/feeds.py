"""How well venues are heard in; grade, holes and silence as facts out."""

from typing import Final

from msgspec import Struct

from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import FeedQuality
from libs.common.events.catalogue import MARKET_WIDE
from services.alerts.policy.windows.tally import Tally
from services.alerts.policy.windows.telling import subject

_SPEAKING: Final = frozenset({"trades", "books"})
"""The streams whose silence says something within minutes, as in the grade."""
_VALID_S: Final = 600


class Feed(Struct):
    """One venue, as of the newest that was said of it."""

    at_ns: int = -1

    def take(self, event: FeedQuality, tally: Tally) -> list[Subject]:
        """Return the venue's state: every report is told, one in ten seconds."""
        if event.event_ns <= self.at_ns:
            if event.event_ns == self.at_ns:
                tally.repeated += 1
            else:
                tally.late += 1
            return []
        self.at_ns = event.event_ns
        facts: dict[str, Fact] = {
            "grade": event.grade.value,
            "open_gaps": float(sum(stream.open_gaps for stream in event.streams)),
            "connections_missing": float(max(0, event.connections_wanted - event.connections)),
            "feed_stopped": event.stopped,
        }
        coverages = [one.coverage for one in event.streams if one.coverage is not None]
        silences = [one.staleness_s for one in event.streams if one.stream in _SPEAKING and one.staleness_s is not None]
        if coverages:
            facts["coverage_min"] = min(coverages)
        if silences:
            facts["staleness_max_s"] = max(silences)
        if event.clock_offset_s is not None:
            facts["clock_offset_s"] = event.clock_offset_s
        return [
            subject(
                Kind.FEED,
                (event.venue, MARKET_WIDE),
                event.event_ns,
                event.venue,
                facts,
                origin=event.origin,
                valid_s=_VALID_S,
            )
        ]
