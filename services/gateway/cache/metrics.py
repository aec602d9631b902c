"""What the cache of answers counts."""

from typing import Final

from prometheus_client import Counter, Gauge

HITS: Final = Counter(
    "csx_gateway_cache_total",
    "Questions to the cache: fresh and stale were kept, shared waited for another's, miss asked the stores.",
    ["result"],
)
BYTES: Final = Gauge("csx_gateway_cache_bytes", "Memory of the answers that are kept.")
DROPPED: Final = Counter("csx_gateway_cache_dropped_total", "Answers that made room, or were dropped for memory.")
FAILED: Final = Counter("csx_gateway_cache_failures_total", "Answers that could not be made.")
