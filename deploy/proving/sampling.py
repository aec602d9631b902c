"""A running process in, its memory, CPU and metrics over time out."""

import http.client
import math
from collections.abc import Sequence

import psutil
from msgspec import Struct, field
from prometheus_client.parser import text_string_to_metric_families

MIB = 2**20


class Sample(Struct, frozen=True):
    """One look."""

    at_s: float
    """Since the start."""
    rss_bytes: int
    cpu_s: float
    metrics: dict[str, float]
    """Sums over labels, by name of the sample; of `_max` and gauges of heights the highest."""


class Watched(Struct):
    """One process under watch."""

    name: str
    pid: int
    health_port: int
    samples: list[Sample] = field(default_factory=list)

    def look(self, at_s: float) -> Sample | None:
        """Take a sample; None while it does not answer."""
        try:
            process = psutil.Process(self.pid)
            with process.oneshot():
                rss, times = process.memory_info().rss, process.cpu_times()
            metrics = scraped(self.health_port)
        except (psutil.Error, OSError, http.client.HTTPException):
            return None
        sample = Sample(at_s, rss, times.user + times.system, metrics)
        self.samples.append(sample)
        return sample

    def highest(self, metric: str) -> float:
        """Return the highest value seen; NaN where it was never said."""
        return max((one.metrics[metric] for one in self.samples if metric in one.metrics), default=math.nan)

    def last(self, metric: str) -> float:
        """Return the last value seen; NaN where it was never said."""
        return next((one.metrics[metric] for one in reversed(self.samples) if metric in one.metrics), math.nan)


def scraped(port: int) -> dict[str, float]:
    """Return the metrics of a service; several label sets of one name are summed, and said apart as `name{a,b}`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found[one.name] = found.get(one.name, 0.0) + one.value
            if one.labels:
                words = ",".join(f"{key}={value}" for key, value in sorted(one.labels.items()) if key != "venue")
                found[f"{one.name}{{{words}}}"] = one.value
    return found


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the least-squares slope of (x, y); NaN for fewer than three points."""
    if len(points) < 3:
        return math.nan
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else math.nan
