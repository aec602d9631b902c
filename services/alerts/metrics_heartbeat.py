"""What the heartbeat counts."""

from typing import Final

from prometheus_client import Counter

HEARTBEATS: Final = Counter(
    "csx_alerts_heartbeats_total", "Signs of life by result: sent, withheld, failed.", ["result"]
)
