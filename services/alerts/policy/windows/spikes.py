"""Closed minutes of one market in; how far price and volume of the last five stand out out."""

from bisect import bisect_left, insort
from math import isfinite
from typing import Final

from msgspec import Struct, field

from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import MINUTE_NS, Candle, Timeframe
from services.alerts.policy.windows.tally import Tally
from services.alerts.policy.windows.telling import subject

_MINUTES: Final = 5
_BARS: Final = 288
"""Five-minute bars that the median is of: a day. With fewer there is no ratio."""
_OLD_NS: Final = 5 * MINUTE_NS
"""A minute that is told later than this fills the windows only: it is the past, by REST."""
_VALID_S: Final = 600


class Spikes(Struct):
    """The last six closed complete minutes without a hole between them, and a day of five-minute volumes before them.

    Only one-minute candles are read, so that change and ratio are of the same five minutes, told every minute.
    """

    opens_ns: list[int] = field(default_factory=list)
    closes: list[float] = field(default_factory=list)
    volumes: list[float] = field(default_factory=list)
    bars: list[float] = field(default_factory=list)
    """Volumes of whole five-minute bars of UTC, in order of time."""
    ordered: list[float] = field(default_factory=list)

    def take(self, event: Candle, tally: Tally) -> list[Subject]:
        """Take a candle; forming and incomplete ones and other lengths do not count, nor a minute that is known."""
        if not (event.closed and event.complete and event.timeframe is Timeframe.M1):
            return []
        if not (isfinite(event.close) and event.close > 0 and isfinite(event.volume) and event.volume >= 0):
            tally.damaged += 1
            return []
        if event.close_ns > event.event_ns + MINUTE_NS:
            tally.ahead += 1
            return []
        if self.opens_ns and event.open_ns <= self.opens_ns[-1]:
            if event.open_ns in self.opens_ns:
                tally.repeated += 1
            else:
                tally.late += 1
            return []
        if self.opens_ns and event.open_ns != self.opens_ns[-1] + MINUTE_NS:
            self.opens_ns, self.closes, self.volumes = [], [], []
        self.opens_ns.append(event.open_ns)
        self.closes.append(event.close)
        self.volumes.append(event.volume)
        del self.opens_ns[: -_MINUTES - 1], self.closes[: -_MINUTES - 1], self.volumes[: -_MINUTES - 1]
        facts = self._facts()
        self._bar(event.open_ns)
        if not facts or event.event_ns - event.close_ns > _OLD_NS:
            return []
        return [
            subject(
                Kind.SPIKE,
                (event.venue, event.symbol),
                event.close_ns,
                f"{event.venue}|{event.symbol}",
                facts,
                origin=event.origin,
                valid_s=_VALID_S,
            )
        ]

    def _facts(self) -> dict[str, Fact]:
        facts: dict[str, Fact] = {}
        if len(self.closes) > _MINUTES:
            facts["price_change_5m"] = self.closes[-1] / self.closes[0] - 1.0
        if len(self.volumes) >= _MINUTES and len(self.ordered) == _BARS:
            median = (self.ordered[_BARS // 2 - 1] + self.ordered[_BARS // 2]) / 2
            if median > 0:
                facts["volume_ratio_5m"] = sum(self.volumes[-_MINUTES:]) / median
        return facts

    def _bar(self, open_ns: int) -> None:
        """Keep the five minutes as a bar when they are one: it is compared with by later minutes only."""
        if (open_ns + MINUTE_NS) % Timeframe.M5.ns or len(self.volumes) < _MINUTES:
            return
        volume = sum(self.volumes[-_MINUTES:])
        self.bars.append(volume)
        insort(self.ordered, volume)
        if len(self.bars) > _BARS:
            del self.ordered[bisect_left(self.ordered, self.bars.pop(0))]
