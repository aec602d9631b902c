"""What the windows of the alerts service count."""

from typing import Final

import msgspec
from prometheus_client import Counter, Gauge

from libs.common.conditions.subjects import Subject
from services.alerts.policy.watching import Watching
from services.alerts.policy.windows.tally import Tally

SUBJECTS: Final = Counter("csx_alerts_subjects_total", "Subjects that rules were asked about.", ["kind"])
LEFT_ASIDE: Final = Counter("csx_alerts_left_aside_total", "Events, or rows, that windows do not count.", ["reason"])
MARKETS: Final = Gauge("csx_alerts_watched_markets", "Markets that have windows.")


class Watched:
    """Publishes what one `Watching` did since it was asked last; a restored state's past is not counted again."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self._before = msgspec.structs.replace(watching.tally)

    def count(self, subjects: list[Subject]) -> None:
        """Take note of a batch's subjects, and of what its events left aside."""
        for subject in subjects:
            SUBJECTS.labels(subject.kind).inc()
        tally = self._watching.tally
        for reason in Tally.__struct_fields__:
            more = getattr(tally, reason) - getattr(self._before, reason)
            if more:
                LEFT_ASIDE.labels(reason).inc(more)
        self._before = msgspec.structs.replace(tally)
        MARKETS.set(self._watching.size)
