"""Topics to PostgreSQL: what layers read over time, structures by their ids, and what markets hold by price.

A record may come twice or late: the tables stay what they were, or as if it had come in its time.
"""

from collections.abc import Callable, Sequence
from typing import Final

from libs.common.bus.consuming import Record
from libs.common.bus.topics import PROFILES, READINGS
from libs.common.events import LayerReading, Profile
from libs.common.runtime.clock import now_ns
from services.gateway import metrics
from services.gateway.store.readings import Readings, slot_of
from services.gateway.store.structures import structures

READING_TOPICS: Final = (READINGS, PROFILES)

_REMEMBERED: Final = 50_000


class ReadingFold:
    """Readings of bars all, of ticks the first of each minute; the newest of each layer stands in Redis."""

    def __init__(self, readings: Readings, clock: Callable[[], int] = now_ns) -> None:
        self._readings = readings
        self._clock = clock
        self._written: dict[tuple[str, str, str, str, str], tuple[int, int]] = {}
        """By market and layer that reads ticks: slot and time of what was written last."""

    async def __call__(self, records: Sequence[Record]) -> None:
        """Write one batch; its offsets are committed after it."""
        readings: list[LayerReading] = []
        profiles: list[Profile] = []
        for record in records:
            event = record.event
            if isinstance(event, Profile):
                metrics.PROJECTED.labels(Profile.__name__).inc()
                profiles.append(event)
            elif isinstance(event, LayerReading) and not self._left_out(event):
                readings.append(event)
        await self._readings.write(readings, structures(readings), profiles, self._clock())
        for reading in readings:
            if reading.timeframe is None:
                *key, slot_ns = slot_of(reading)
                self._remember((key[0], key[1], key[2], key[3], key[4]), slot_ns, reading.as_of_ns)

    def _left_out(self, reading: LayerReading) -> bool:
        """Tell whether an earlier one of the same minute is written already."""
        if reading.timeframe is not None:
            return False
        symbol, venue, origin, layer, timeframe, slot_ns = slot_of(reading)
        written = self._written.get((symbol, venue, origin, layer, timeframe))
        return written is not None and written[0] == slot_ns and written[1] < reading.as_of_ns

    def _remember(self, key: tuple[str, str, str, str, str], slot_ns: int, as_of_ns: int) -> None:
        known = self._written.get(key)
        if known is None or known[0] != slot_ns or as_of_ns < known[1]:
            if len(self._written) >= _REMEMBERED:
                self._written.clear()  # it saves writes, no more
            self._written[key] = slot_ns, as_of_ns
