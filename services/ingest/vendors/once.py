"""Numbers of one vendor in, which of them are news out: a row that was said is not said again. Pure."""

from typing import Final

from libs.common.events import Metric

ROWS: Final = 512
"""Rows remembered of one number; more than any answer holds."""


class Once:
    """The memory of one vendor's poller; bounded by its numbers times `rows`."""

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows
        self._said: dict[tuple[str, str, str | None], dict[int, float | None]] = {}
        self._absent: dict[tuple[str, str, str | None], str | None] = {}

    def admit(self, metric: Metric) -> bool:
        """Return whether to publish `metric`, and remember it.

        A row is told by its time: known with the same value it is no news, with another it was revised. A state
        without the vendor's time is news when its value changed. An absence is news when its cause changed; after it
        the newest number is, even if it was said before.
        """
        key = (metric.symbol, metric.name, metric.exchange)
        timeless = metric.event_ns == metric.received_ns
        if metric.value is None and timeless:
            news = self._absent.get(key) != metric.cause
            self._absent[key] = metric.cause
            return news
        said = self._said.setdefault(key, {})
        newest_ns = max(said, default=-1)
        if key in self._absent and metric.event_ns >= newest_ns:
            del self._absent[key]
        else:
            like_ns = newest_ns if timeless else metric.event_ns
            if like_ns in said and said[like_ns] == metric.value:
                return False
            if len(said) >= self._rows and metric.event_ns < min(said):
                return False  # forgotten: it was said, or is older than all that is remembered
        said[metric.event_ns] = metric.value
        if len(said) > self._rows:
            del said[min(said)]
        return True
